import { visible } from '../../host/visible.js'

/** Longest text of one cell. */
const WIDEST_CELL = 48

const STYLES = { head: '1', bad: '31', quiet: '2' } as const

export interface TableColumn<Row> {
  readonly title: string
  readonly value: (row: Row) => string | number | null
  readonly isNumber?: boolean
  /** How the cell of a row is shown on a terminal. */
  readonly style?: (row: Row) => keyof typeof STYLES | undefined
}

/** A table for people. Colours only when asked for. */
export function table<Row>(
  columns: readonly TableColumn<Row>[],
  rows: readonly Row[],
  hasColours: boolean,
): string {
  const texts = rows.map((row) => columns.map(({ value }) => cell(value(row))))
  const widths = columns.map(({ title }, i) =>
    Math.max(title.length, ...texts.map((line) => lengthOf(line[i]))),
  )
  const painted = (text: string, style: keyof typeof STYLES | undefined): string =>
    hasColours && style !== undefined ? `\u001b[${STYLES[style]}m${text}\u001b[0m` : text
  const padded = (text: string, i: number): string => {
    const space = ' '.repeat((widths[i] ?? 0) - lengthOf(text))
    return columns[i]?.isNumber === true ? space + text : text + space
  }
  const head = columns.map(({ title }, i) => painted(padded(title, i), 'head'))
  const body = rows.map((row, r) =>
    columns.map(({ style }, i) => painted(padded(texts[r]?.[i] ?? '', i), style?.(row))),
  )
  return [head, ...body].map((line) => `${line.join('  ').trimEnd()}\n`).join('')
}

function cell(value: string | number | null): string {
  const text = visible(String(value ?? ''))
  const letters = Array.from(text)
  return letters.length <= WIDEST_CELL ? text : `${letters.slice(0, WIDEST_CELL - 1).join('')}…`
}

function lengthOf(text = ''): number {
  return Array.from(text).length
}

/** Whether a stream gets colours: terminals do, unless `NO_COLOR` (https://no-color.org) is set. */
export function hasColours(stream: { readonly isTTY?: boolean }): boolean {
  return stream.isTTY === true && (process.env['NO_COLOR'] ?? '') === '' && process.env['TERM'] !== 'dumb'
}
