/** Text without control characters: a hostile name must not move the cursor, colour the screen or forge a line. */
export function printable(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, '?');
}

/** As `printable`, for messages of several lines. */
export function printableLines(text: string): string {
  return text.split('\n').map(printable).join('\n');
}

/** The length at which one line ends: the terminal's, or 80 where there is none or it does not tell. */
export function lineWidth({ columns = 0 }: { readonly columns?: number } = process.stdout): number {
  return columns > 0 ? columns : 80;
}

/** Words after `indent`, broken into lines of at most `width` characters; a word that is longer stays whole. */
export function wrapped(words: readonly string[], indent: string, width = lineWidth()): string {
  const lines: string[] = [];
  let line = indent;
  for (const word of words) {
    const longer = line === indent ? line + word : `${line} ${word}`;
    if (longer.length > width && line !== indent) {
      lines.push(line);
      line = indent + word;
    } else line = longer;
  }
  return [...lines, line].join('\n');
}
