/** One value of a list: what is looked for, or what is left out. */
export interface Item {
  readonly text: string
  readonly isExcluded: boolean
  /** It ended with a `*` that was not escaped. */
  readonly isPrefix: boolean
}

/** Most values of one list. */
export const LIST_VALUES = 50

/** What a backslash makes ordinary. In front of anything else it is one itself. */
const SPECIAL: ReadonlySet<string | undefined> = new Set([',', '!', '*', '\\', ' '])

/**
 * Reads `a,b` as two values, `!a` as all but one, `a*` as the beginning of some. White space behind a comma does not
 * count. `\,`, `\!`, `\*`, `\\` and `\ ` are the characters themselves.
 */
export function splitList(given: string): readonly Item[] {
  const items: Item[] = []
  let text = ''
  let isExcluded = false
  let isPrefix = false
  let isAtStart = true
  const end = (): void => {
    items.push({ text: isPrefix ? text.slice(0, -1) : text, isExcluded, isPrefix })
    text = ''
    isExcluded = isPrefix = false
    isAtStart = true
  }
  for (let i = 0; i < given.length; i++) {
    const character = given.charAt(i)
    if (character === ',') {
      end()
      continue
    }
    if (isAtStart && character === ' ' && items.length > 0) continue
    if (isAtStart && character === '!' && !isExcluded) {
      isExcluded = true
      continue
    }
    isAtStart = false
    const isEscape = character === '\\' && SPECIAL.has(given[i + 1])
    text += isEscape ? given.charAt(++i) : character
    isPrefix = !isEscape && character === '*'
  }
  end()
  return items
}

/** The text that {@link splitList} reads as these. */
export function joinList(items: readonly Item[], canBePrefix: boolean): string {
  return items
    .map(({ text, isExcluded, isPrefix }, i) => {
      const escaped = text
        .replaceAll(/\\(?=[,!*\\ ]|$)|,/g, (special) => `\\${special}`)
        .replace(i === 0 ? /^!/ : /^[! ]/, (special) => `\\${special}`)
      const ended = isPrefix ? `${escaped}*` : canBePrefix ? escaped.replace(/\*$/, '\\*') : escaped
      return `${isExcluded ? '!' : ''}${ended}`
    })
    .join(',')
}
