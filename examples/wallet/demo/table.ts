export interface Column<Row> {
  readonly title: string
  /** When not all columns fit, that with the highest number goes first; of several, the last. */
  readonly rank: number
  readonly text: (row: Row) => string
  readonly paint?: (text: string, row: Row) => string
}

/** Lines of an aligned table, none wider than `width` characters. */
export function tableLines<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  width: number,
): string[] {
  const sized = columns.map((column) => ({
    column,
    width: Math.max(column.title.length, ...rows.map((row) => column.text(row).length)),
  }))
  while (sized.length > 1 && lineWidth(sized) > width) {
    const highest = Math.max(...sized.map(({ column }) => column.rank))
    sized.splice(
      sized.findLastIndex(({ column }) => column.rank === highest),
      1,
    )
  }
  const line = (cell: (column: Column<Row>, width: number) => string) =>
    sized
      .map(({ column, width: own }) => cell(column, own))
      .join(GAP)
      .trimEnd()
  const fit = (content: string, own: number) => cut(content, Math.min(own, width)).padEnd(own)
  return [
    line(({ title }, own) => fit(title, own)),
    line((_, own) => '─'.repeat(Math.min(own, width))),
    ...rows.map((row) =>
      line(({ text, paint }, own) => {
        const cell = fit(text(row), own)
        return paint?.(cell, row) ?? cell
      }),
    ),
  ]
}

const GAP = '  '

function lineWidth(sized: readonly { width: number }[]): number {
  return sized.reduce((sum, { width }) => sum + width, GAP.length * (sized.length - 1))
}

/** Control characters of a credential's name, which callers choose, must not reach the terminal. */
function cut(text: string, width: number): string {
  const shown = text.replace(/\p{C}/gu, '�')
  return shown.length <= width ? shown : `${shown.slice(0, Math.max(0, width - 1))}…`
}
