// Names that nobody knows, in the words of a fault: the nearest known one is offered, because most are misspelt. Whatever
// stands in a fault is bounded: a setting's name or value may be a whole file.

/** Longer names and values are cut in a fault. */
const LONGEST_SHOWN = 80;
export const shown = (value: string): string =>
  value.length > LONGEST_SHOWN ? `${value.slice(0, LONGEST_SHOWN)}...` : value;

export function unknownName(name: string, known: readonly string[], where: string): string {
  if (name.length > LONGEST_SHOWN) return `${shown(name)}: is no setting of torc; see ${where}`;
  const nearest = nearestName(name, known);
  return `${name}: is no setting of torc; ${nearest === null ? `see ${where}` : `did you mean ${nearest}?`}`;
}

const MOST_TYPOS = 3;

/** The known name that was probably meant; null where none is near. */
export function nearestName(name: string, known: readonly string[]): string | null {
  if (name.length > LONGEST_SHOWN) return null;
  const nearest = known
    .map(candidate => ({ candidate, distance: editDistance(name, candidate) }))
    .sort((a, b) => a.distance - b.distance)[0];
  return nearest !== undefined && nearest.distance <= MOST_TYPOS ? nearest.candidate : null;
}

/** Levenshtein distance, for "did you mean". */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      current.push(Math.min(previous[j]! + 1, current[j - 1]! + 1, substitution));
    }
    previous = current;
  }
  return previous[b.length]!;
}
