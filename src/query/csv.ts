import { COLUMNS, type TrailRow } from './row.js'

/**
 * What a spreadsheet takes for a formula: it begins with one of these (some look past white space, and take the
 * full-width forms for the ordinary ones), or with a tab or line break.
 */
const FORMULA = /^(?:\s*[=+\-@\uFF1D\uFF0B\uFF0D\uFF20]|[\t\r\n])/
const NUMBER = /^-?\d+$/

/** The first line of a CSV file (RFC 4180): the columns. */
export const CSV_HEAD = `${COLUMNS.join(',')}\r\n`

/** A row as a line of CSV (RFC 4180). NULL is empty, an empty text is `""`. */
export function rowCsv(row: TrailRow): string {
  return `${COLUMNS.map((column) => csvCell(row[column])).join(',')}\r\n`
}

/**
 * One cell. A text that a spreadsheet could execute gets an apostrophe in front of it: for every byte as it is, take
 * NDJSON.
 */
export function csvCell(value: string | null): string {
  if (value === null) return ''
  const text = FORMULA.test(value) && !NUMBER.test(value) ? `'${value}` : value
  return /^[\w.:-]+$/.test(text) ? text : `"${text.replaceAll('"', '""')}"`
}
