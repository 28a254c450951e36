/**
 * Whether a text is one of a list, separated by commas, in which `*` stands for any text.
 *
 * @param list undefined: none is
 */
export function globs(list: string | undefined): (text: string) => boolean {
  const patterns = words(list).map((word) => word.split('*'))
  return (text) => patterns.some((pattern) => matches(pattern, text))
}

/** Those of a list that is separated by commas or white space. */
export function words(list: string | undefined): readonly string[] {
  return (list ?? '').split(/[\s,]+/).filter((word) => word !== '')
}

/** Without a regular expression: the text is somebody else's, and of any length. */
function matches([first = '', ...rest]: readonly string[], text: string): boolean {
  const last = rest.pop()
  if (last === undefined) return text === first
  if (!text.startsWith(first) || !text.endsWith(last) || text.length < first.length + last.length)
    return false
  let at = first.length
  const end = text.length - last.length
  for (const part of rest) {
    const found = text.indexOf(part, at)
    if (found < 0 || found + part.length > end) return false
    at = found + part.length
  }
  return true
}
