// "Did you mean": the known name that a misspelt one is nearest to, by the number of letters to change (Levenshtein).
// Nearer than half of its length and at most three letters off, or it is a guess that misleads.

const FURTHEST = 3;
/** Longer is no slip of the fingers, and the distance costs the product of both lengths. */
const LONGEST = 80;

export function nearest(name: string, known: readonly string[]): string | null {
  if (name.length > LONGEST) return null;
  const best = known
    .map(candidate => ({ candidate, distance: editDistance(name, candidate) }))
    .sort((a, b) => a.distance - b.distance)[0];
  if (best === undefined || best.distance > FURTHEST || best.distance * 2 > best.candidate.length)
    return null;
  return best.candidate;
}

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
