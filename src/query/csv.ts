import { visibleText } from '../host/visible.js'
import { COLUMNS, type TrailRow } from './row.js'

/**
 * What a spreadsheet takes for a formula: it begins with one of these (some look past white space, and take the
 * full-width forms for the ordinary ones), or with a tab or line break.
 */
const FORMULA = /^(?:[\s\u200B-\u200D\u2060\uFEFF]*[=+\-@\uFF1D\uFF0B\uFF0D\uFF20]|[\t\r\n])/
/** The same behind what a spreadsheet may split cells at: it goes by its own locale, and need not honour these quotes. */
const INNER_FORMULA = /(?<!^)([;,|\t\r\n])(?=[\s\u200B-\u200D\u2060\uFEFF]*[=+\-@\uFF1D\uFF0B\uFF0D\uFF20])/g
const NUMBER = /^-?\d+$/

/** The first line of a CSV file (RFC 4180): the columns. */
export const CSV_HEAD = `${COLUMNS.join(',')}\r\n`

/** A row as a line of CSV (RFC 4180). NULL is empty, an empty text is `""`. */
export function rowCsv(row: TrailRow): string {
  return `${COLUMNS.map((column) => csvCell(row[column])).join(',')}\r\n`
}

/**
 * One cell. A text that a spreadsheet could execute gets an apostrophe in front of it, also behind each separator of cells
 * within it, and control characters are written as escapes: for every byte as it is, take NDJSON.
 */
export function csvCell(value: string | null): string {
  if (value === null) return ''
  if (NUMBER.test(value)) return value
  const inner = visibleText(value.replace(INNER_FORMULA, `$1'`))
  const text = FORMULA.test(value) ? `'${inner}` : inner
  return /^[\w.:-]+$/.test(text) ? text : `"${text.replaceAll('"', '""')}"`
}
