import type { ResolvedFilter } from './filter.js'
import type { Match } from './term.js'

/** Most parts of one statement: each is planned for every partition. Beyond that the planner sees one condition. */
const BRANCHES = 8
const INDEXED = ['credential', 'execution_id'] as const

/**
 * The parts of a filter that an index gives in the order of the ids, each by itself. Of several credentials together the
 * newest page would be sorted from all their rows, or looked for along the whole primary key.
 */
export function branchesOf(filter: ResolvedFilter): readonly ResolvedFilter[] {
  for (const column of INDEXED) {
    const term = filter.terms[column]
    if (term === undefined || term.oneOf.length < 2) continue
    const matches = distinct(term.oneOf)
    if (matches.length > BRANCHES) continue
    return matches.map((match) => ({
      ...filter,
      terms: { ...filter.terms, [column]: { oneOf: [match], noneOf: term.noneOf } },
    }))
  }
  return [filter]
}

/** No row is in two of them. */
function distinct(matches: readonly Match[]): readonly Match[] {
  return matches.filter(
    (match, i) =>
      !matches.some((other, j) => {
        const isSame = other.kind === match.kind && other.text === match.text
        return isSame ? j < i : other.kind === 'begins' && match.text.startsWith(other.text)
      }),
  )
}
