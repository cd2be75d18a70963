// Histograms and summaries as Prometheus text, from counts that were made elsewhere: prom-client has no way to be given a
// bucket's count, it only observes values one by one. Format: prometheus.io/docs/instrumenting/exposition_formats.

export type Labels = Readonly<Record<string, string>>;

export interface HistogramSeries {
  readonly labels: Labels;
  /** Of each bound, not cumulative; the last is beyond all bounds. */
  readonly counts: readonly number[];
  readonly sum: number;
}

export interface SummarySeries {
  readonly labels: Labels;
  /** Quantile -> value. */
  readonly quantiles: Readonly<Record<string, number>>;
}

/** `bounds` are upper ones, ascending. */
export function histogramText(
  name: string,
  help: string,
  bounds: readonly number[],
  series: readonly HistogramSeries[],
): string {
  const lines = [`# HELP ${name} ${help}`, `# TYPE ${name} histogram`];
  for (const { labels, counts, sum } of series) {
    let seen = 0;
    for (const [index, count] of counts.entries()) {
      seen += count;
      lines.push(`${name}_bucket${labelText({ ...labels, le: String(bounds[index] ?? '+Inf') })} ${seen}`);
    }
    lines.push(`${name}_sum${labelText(labels)} ${sum}`, `${name}_count${labelText(labels)} ${seen}`);
  }
  return `${lines.join('\n')}\n`;
}

export function summaryText(name: string, help: string, series: readonly SummarySeries[]): string {
  const lines = [`# HELP ${name} ${help}`, `# TYPE ${name} summary`];
  for (const { labels, quantiles } of series)
    for (const [quantile, value] of Object.entries(quantiles))
      lines.push(`${name}${labelText({ ...labels, quantile })} ${value}`);
  return `${lines.join('\n')}\n`;
}

const labelText = (labels: Labels): string =>
  `{${Object.entries(labels)
    .map(([name, value]) => `${name}="${value.replace(/[\\"]/g, '\\$&').replaceAll('\n', '\\n')}"`)
    .join(',')}}`;
