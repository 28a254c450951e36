/* oxlint-disable no-control-regex -- they are what is looked for */
/** Moves the cursor, colours, hides, or turns the direction of text: C0, C1, line separators, controls of direction. */
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g
const UNSAFE_BUT_LF = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g

/**
 * Text of somebody else, on one line, doing nothing to the terminal, log or table that it is written to: whatever could is
 * written as `\u001b`. Everything that another person could have written goes through here, or through {@link visibleJson}.
 */
export function visible(text: string): string {
  return text.replace(UNSAFE, escaped)
}

/** JSON, which says the same afterwards: within its strings these are escapes, and it has them nowhere else. */
export function visibleJson(json: string): string {
  return json.replace(UNSAFE_BUT_LF, escaped)
}

/** Text that may have tabs and line breaks, within the quotes of a CSV cell. */
export function visibleText(text: string): string {
  return text.replace(UNSAFE, (letter) => (/[\t\r\n]/.test(letter) ? letter : escaped(letter)))
}

/** Lines, each of them {@link visible}. */
export function visibleLines(lines: readonly string[]): string {
  return lines.map(visible).join('\n')
}

function escaped(letter: string): string {
  return `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`
}
