import { readFile, writeFile } from 'node:fs/promises'
import { gunzipSync } from 'node:zlib'
import type { ParquetEngine } from '../../src/archive/parquet-engine.js'
import { COLUMNS } from '../../src/archive/row-line.js'

/** What becomes of the rows of a part before they are written. */
type Alter = (rows: readonly (readonly (string | null)[])[]) => readonly (readonly (string | null)[])[]

/**
 * Keeps rows column by column as JSON: another form than lines, as Parquet is, that needs no package. That DuckDB does the same is for
 * `npm run parquet:check` to show.
 */
export class LineEngine implements ParquetEngine {
  readonly name = 'columns 1'
  readonly #alter: Alter
  isClosed = false

  constructor(alter: Alter = (rows) => rows) {
    this.#alter = alter
  }

  async write(from: string, to: string): Promise<void> {
    const lines = gunzipSync(await readFile(from))
      .toString()
      .split('\n')
      .slice(0, -1)
    const rows = lines.map((line) => {
      const values = JSON.parse(line) as Readonly<Record<string, string | number>>
      return COLUMNS.map(([name]) => (values[name] === undefined ? null : String(values[name])))
    })
    await writeFile(to, JSON.stringify(this.#alter(rows)))
  }

  async *rows(file: string): AsyncGenerator<readonly (readonly (string | null)[])[], void> {
    const rows = JSON.parse(await readFile(file, 'utf8')) as (string | null)[][]
    for (let i = 0; i < rows.length; i += 2) yield rows.slice(i, i + 2)
  }

  close(): void {
    this.isClosed = true
  }
}
