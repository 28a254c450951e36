import type { RowLine } from './row-line.js'
import { merged } from './merge.js'
import type { ArchiveStore } from './archive-store.js'
import { archiveError } from './archive-store.js'
import type { ReadManifest } from './manifest.js'
import { readTexts } from './ndjson-file.js'

interface ArchivedLine {
  readonly auditId: bigint
  readonly line: Buffer
}

/** The lines of the rows of archives, in ascending order of ids, read from where they were put. */
function archivedLines(
  store: ArchiveStore,
  archives: readonly ReadManifest[],
): AsyncIterable<readonly ArchivedLine[]> {
  const lists = archives.flatMap(({ folder, manifest }) =>
    manifest.parts.map((part) => ({
      from: { auditId: BigInt(part.first_id), line: NOTHING },
      open: async function* () {
        for await (const text of readTexts(store, folder, part)) yield linesOf(text, `${folder}/${part.name}`)
      },
    })),
  )
  return merged<ArchivedLine>(lists, (a, b) => (a.auditId < b.auditId ? -1 : a.auditId > b.auditId ? 1 : 0))
}

const NOTHING = Buffer.alloc(0)
const NEWLINE = 0x0a
/** Of a line that has its id in it. */
const BEGINNING = '{"audit_id":"-9223372036854775808"'.length

function linesOf(text: Buffer, file: string): readonly ArchivedLine[] {
  const lines: ArchivedLine[] = []
  for (let from = 0; from < text.length; ) {
    const end = text.indexOf(NEWLINE, from)
    const line = text.subarray(from, end)
    lines.push({ auditId: idOf(line, file), line })
    from = end + 1
  }
  return lines
}

function idOf(line: Buffer, file: string): bigint {
  const found = /^\{"audit_id":"(-?\d{1,19})"/.exec(line.toString('latin1', 0, BEGINNING))?.[1]
  if (found === undefined) throw archiveError(`${file}: a line of it is not a row`)
  return BigInt(found)
}

/**
 * Rows of a partition that its archives do not have, in ascending order of ids. Every other row is compared with its archive, as it
 * is read there now, byte by byte.
 *
 * @throws AuditError `AUDIT_ARCHIVE` when a row is not what was archived, or is gone
 */
export async function* lateRows(
  rows: AsyncIterable<readonly RowLine[]>,
  store: ArchiveStore,
  archives: readonly ReadManifest[],
): AsyncGenerator<readonly RowLine[], void> {
  const archived = new Lines(archivedLines(store, archives))
  for await (const batch of rows) {
    const late: RowLine[] = []
    for (const row of batch) {
      const known = archived.peek() ?? (await archived.next())
      if (known !== undefined && known.auditId < row.auditId) throw gone(known.auditId)
      if (known?.auditId !== row.auditId) {
        late.push(row)
        continue
      }
      if (!known.line.equals(row.line)) {
        throw archiveError(
          `row ${row.auditId} is not what was archived: the trail, or the archive, was altered since`,
        )
      }
      archived.take()
    }
    if (late.length > 0) yield late
  }
  const left = archived.peek() ?? (await archived.next())
  if (left !== undefined) throw gone(left.auditId)
}

function gone(auditId: bigint): Error {
  return archiveError(`row ${auditId} was archived, and is not in the trail any more: it was deleted since`)
}

/** One line at a time, waiting only where the next batch is needed. */
class Lines {
  readonly #batches: AsyncIterator<readonly ArchivedLine[]>
  #batch: readonly ArchivedLine[] = []
  #next = 0

  constructor(batches: AsyncIterable<readonly ArchivedLine[]>) {
    this.#batches = batches[Symbol.asyncIterator]()
  }

  peek(): ArchivedLine | undefined {
    return this.#batch[this.#next]
  }

  take(): void {
    this.#next++
  }

  async next(): Promise<ArchivedLine | undefined> {
    while (this.#next >= this.#batch.length) {
      const { done, value } = await this.#batches.next()
      if (done === true) return undefined
      this.#batch = value
      this.#next = 0
    }
    return this.peek()
  }
}
