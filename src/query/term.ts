import { splitList } from './list.js'
import { NOT_OK } from './parameter.js'

/** What a column may be. */
export interface Match {
  /** Exactly `text`, a text that begins with it, or an outcome that says that something went wrong. */
  readonly kind: 'is' | 'begins' | typeof NOT_OK
  readonly text: string
}

/** What a filter says of one column: any of these, unless there are none, and none of those. */
export interface Term {
  readonly oneOf: readonly Match[]
  readonly noneOf: readonly Match[]
}

/** Outcomes of rows that say that something was released, began, stopped, changed or was asked for. */
export const NOT_DENIALS = [
  'ok',
  'started',
  'stopped',
  'mode_changed',
  'hooked',
  'wire',
  'requested',
] as const
const QUIET: ReadonlySet<string> = new Set(NOT_DENIALS)

/** @param text of a list that was checked, in its one form */
export function termOf(column: string, text: string): Term {
  const matches = splitList(text).map((item): Match & { readonly isExcluded: boolean } => {
    const { isExcluded } = item
    if (column === 'outcome' && item.text === NOT_OK) return { kind: NOT_OK, text: NOT_OK, isExcluded }
    if (column !== 'credential') return { kind: 'is', text: asIs(item), isExcluded }
    return { kind: item.isPrefix ? 'begins' : 'is', text: item.text, isExcluded }
  })
  const of = (wanted: boolean): Match[] =>
    matches
      .filter(({ isExcluded }) => isExcluded === wanted)
      .map(({ kind, text: value }) => ({ kind, text: value }))
  return { oneOf: of(false), noneOf: of(true) }
}

function asIs({ text, isPrefix }: { readonly text: string; readonly isPrefix: boolean }): string {
  return isPrefix ? `${text}*` : text
}

/** Whether a value, or `null` where it is not known, is what a term says. */
export function isWanted({ oneOf, noneOf }: Term, value: string | null): boolean {
  const fits = (match: Match): boolean => value !== null && isMatch(match, value)
  return (oneOf.length === 0 || oneOf.some(fits)) && !noneOf.some(fits)
}

function isMatch({ kind, text }: Match, value: string): boolean {
  switch (kind) {
    case 'is':
      return value === text
    case 'begins':
      return value.startsWith(text)
    case NOT_OK:
      return !QUIET.has(value)
  }
}

/** Whether a term names some rows by a column that an index has: their number is bounded by more than the trail's. */
export function isNarrow(term: Term | undefined): boolean {
  return term !== undefined && term.oneOf.length > 0 && term.oneOf.every(({ text }) => text !== '')
}
