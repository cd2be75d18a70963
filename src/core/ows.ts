// Optional white space of HTTP is space and tab, nothing else (RFC 9110 section 5.6.3). JavaScript's trim() and \s also
// take NBSP and more, and a length or coding that is read through them is one that the other side reads differently.

const isOws = (code: number): boolean => code === 0x20 || code === 0x09;

/** `text` without the spaces and tabs around it. */
export function trimOws(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isOws(text.charCodeAt(start))) start++;
  while (end > start && isOws(text.charCodeAt(end - 1))) end--;
  return start === 0 && end === text.length ? text : text.slice(start, end);
}
