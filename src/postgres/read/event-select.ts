import { type Field, FIELDS } from '../../event/fields.js'

/** Longest text of a column that is read, in bytes: far more than any event of ours has. */
const LONGEST_TEXT = 1_000_000

/** What is read in the place of a longer one: no digest of ours is of that. */
const TOO_LONG = 'chr(1)'
const TOO_LONG_JSON = `'"too long"'::json`

/**
 * The SELECT list of an event, in the order of the tags. Anybody who may write may write a text of hundreds of megabytes,
 * and is not to decide how much memory a reader needs.
 */
export const BOUNDED_EVENT = FIELDS.map((field) => bounded(field)).join(', ')

function bounded({ column, kind }: Field): string {
  if (kind === 'int8' || kind === 'time') return column
  const [length, instead] =
    kind === 'json' ? [`octet_length(${column}::text)`, TOO_LONG_JSON] : [`octet_length(${column})`, TOO_LONG]
  return `case when ${length} > ${LONGEST_TEXT} then ${instead} else ${column} end as ${column}`
}
