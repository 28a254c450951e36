import { createHash, type Hash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { type FileHandle, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { basename } from 'node:path'
import { AuditError } from '../../errors.js'
import { VERSION } from '../../version.js'
import { CSV_HEAD, rowCsv } from '../csv.js'
import { describeFilter, parseFilter, type TrailFilter } from '../filter.js'
import { rowJson, type TrailRow } from '../row.js'
import type { Trail } from '../trail.js'
import {
  type CountedChain,
  Counter,
  type ExportedChain,
  type ExportManifest,
  type Tally,
} from './manifest.js'

export type ExportFormat = 'ndjson' | 'csv'

export interface ExportOptions {
  /** The file. While it grows it is `<file>.part`, beside it `<file>.part.json`; then `<file>.manifest.json`. */
  readonly file: string
  readonly format: ExportFormat
  readonly filter: TrailFilter
  /** Go on where an interrupted export of the same filter stopped. */
  readonly resume: boolean
  readonly signal?: AbortSignal | undefined
  readonly onRows?: ((count: number) => void) | undefined
}

export interface ExportResult {
  /** Undefined when the signal came first: what there is can be resumed. */
  readonly manifest: ExportManifest | undefined
  readonly rows: number
}

/** How far an export has come. It is written after the bytes it counts are on disk. */
interface Checkpoint {
  readonly format: ExportFormat
  /** The filter as it was given. */
  readonly given: string
  /** Its times resolved when the export began. */
  readonly filter: string
  readonly mark: string
  /** Where the next page begins; null when there is none. */
  readonly cursor: string | null
  readonly bytes: number
  readonly tally: Tally
}

const MEDIA_TYPES = { ndjson: 'application/x-ndjson', csv: 'text/csv' } as const
/** Pages between two checkpoints. */
const CHECKPOINT_PAGES = 20
const BUFFER_BYTES = 64 * 1024
/** Who else may read the trail is the database's to say, not the file system's. */
const FILE_MODE = 0o600

/**
 * Exports the whole settled result into a file, newest row first, in constant memory. Interrupted at whatever moment, it
 * is resumed without a gap or a repeat: the set of rows was fixed when it began.
 *
 * @throws AuditError `AUDIT_EXPORT` when the file is there already, or what is there cannot be resumed; those of
 *   {@link Trail}
 */
export async function exportToFile(trail: Trail, options: ExportOptions): Promise<ExportResult> {
  const { file, format, signal } = options
  const filter = settledFilter(options.filter)
  const resolved = parseFilter(filter)
  const { text: given } = resolved
  await refuseExisting(file)
  const checkpoint = await checkpointOf(options, given)
  const counter = new Counter(checkpoint?.tally)
  const described = checkpoint?.filter ?? describeFilter(resolved)
  const output = await PartFile.open(file, checkpoint?.bytes)
  try {
    let mark = checkpoint?.mark ?? '0'
    const save = async (cursor: string | null): Promise<void> => {
      await output.sync()
      const { bytes } = output
      await writeCheckpoint(file, {
        format,
        given,
        filter: described,
        mark,
        cursor,
        bytes,
        tally: counter.tally,
      })
    }
    if (checkpoint === undefined && format === 'csv') await output.write(CSV_HEAD)
    const row = format === 'csv' ? rowCsv : (one: TrailRow) => `${rowJson(one)}\n`
    let pages = 0
    let cursor = checkpoint?.cursor
    const isComplete = checkpoint !== undefined && checkpoint.cursor === null
    const rest = isComplete ? [] : trail.pages(cursor == null ? filter : { ...filter, cursor })
    for await (const page of rest) {
      for (const one of page.rows) {
        await output.write(row(one))
        counter.add(one)
      }
      mark = page.mark ?? mark
      options.onRows?.(page.rows.length)
      cursor = page.next_cursor
      const isStopped = signal?.aborted === true && cursor !== null
      if (isStopped || ++pages % CHECKPOINT_PAGES === 0) await save(cursor)
      if (isStopped) return { manifest: undefined, rows: counter.tally.rows }
    }
    await save(null)
    const manifest: ExportManifest = {
      format: 'otel-audit/export/v1',
      version: VERSION,
      finished_at: new Date().toISOString(),
      file: basename(file),
      media_type: MEDIA_TYPES[format],
      bytes: output.bytes,
      sha256: output.digest(),
      filter: JSON.parse(described) as Record<string, unknown>,
      mark,
      ...counter.tally,
      chains: await withHashes(trail, counter.tally.chains),
    }
    await replace(`${file}.manifest.json`, `${JSON.stringify(manifest, undefined, 2)}\n`)
    await rename(partOf(file), file)
    await rm(checkpointFile(file))
    return { manifest, rows: manifest.rows }
  } finally {
    await output.close()
  }
}

async function withHashes(trail: Trail, chains: readonly CountedChain[]): Promise<ExportedChain[]> {
  const all: ExportedChain[] = []
  for (const chain of chains) {
    const last = await trail.block(chain.chain_id, BigInt(chain.last_block))
    all.push({ ...chain, log: last?.log ?? null, last_block_hash: last?.hash ?? null })
  }
  return all
}

/** An export is of a set that no longer changes, whatever was asked for. */
export function settledFilter(filter: TrailFilter): TrailFilter {
  const { settled } = filter
  return { ...filter, settled: typeof settled === 'string' && settled !== 'false' ? settled : true }
}

const partOf = (file: string): string => `${file}.part`
const checkpointFile = (file: string): string => `${file}.part.json`

async function refuseExisting(file: string): Promise<void> {
  if (await stat(file).catch(() => undefined)) {
    throw new AuditError('AUDIT_EXPORT', `${file} is there already; an export never writes over a file`)
  }
}

async function checkpointOf(
  { file, format, resume }: ExportOptions,
  given: string,
): Promise<Checkpoint | undefined> {
  const text = await readFile(checkpointFile(file), 'utf8').catch(() => undefined)
  const isThere = text !== undefined || (await stat(partOf(file)).catch(() => undefined)) !== undefined
  if (!resume) {
    if (!isThere) return undefined
    throw new AuditError(
      'AUDIT_EXPORT',
      `an export to ${file} was begun and not finished: go on with --resume, or remove ${partOf(file)} and ${checkpointFile(file)}`,
    )
  }
  // Killed before its first checkpoint: there is nothing to go on with.
  if (text === undefined) return undefined
  const checkpoint = JSON.parse(text) as Checkpoint
  if (checkpoint.given === given && checkpoint.format === format) return checkpoint
  throw new AuditError(
    'AUDIT_EXPORT',
    `the export to ${file} that was begun is another one (${checkpoint.format}, ${checkpoint.given}): repeat its filters and format`,
  )
}

function writeCheckpoint(file: string, checkpoint: Checkpoint): Promise<void> {
  return replace(checkpointFile(file), `${JSON.stringify(checkpoint)}\n`)
}

/** The old file or the new one, never half of one. */
async function replace(file: string, text: string): Promise<void> {
  const draft = `${file}.new`
  await writeFile(draft, text, { mode: FILE_MODE, flush: true })
  await rename(draft, file)
}

/** The growing file, with its size and hash. */
class PartFile {
  readonly #handle: FileHandle
  readonly #hash: Hash
  readonly #encoder = new TextEncoder()
  readonly #buffer = new Uint8Array(BUFFER_BYTES)
  #used = 0
  #bytes: number

  private constructor(handle: FileHandle, hash: Hash, bytes: number) {
    this.#handle = handle
    this.#hash = hash
    this.#bytes = bytes
  }

  /** @param bytes how many of an existing file count: what was written after the checkpoint is cut off */
  static async open(file: string, bytes: number | undefined): Promise<PartFile> {
    const hash = createHash('sha256')
    const handle = await open(partOf(file), bytes === undefined ? 'w' : 'r+', FILE_MODE)
    if (bytes === undefined) return new PartFile(handle, hash, 0)
    const { size } = await handle.stat()
    if (size < bytes) {
      await handle.close()
      throw new AuditError(
        'AUDIT_EXPORT',
        `${partOf(file)} is shorter than when it was interrupted; begin anew`,
      )
    }
    await handle.truncate(bytes)
    if (bytes > 0) {
      for await (const chunk of createReadStream(partOf(file), { end: bytes - 1 }))
        hash.update(chunk as Buffer)
    }
    return new PartFile(handle, hash, bytes)
  }

  /** Bytes that {@link sync} has put on disk. */
  get bytes(): number {
    return this.#bytes
  }

  /** Through one buffer, row by row: large strings and buffers would wait for a major collection, and grow the heap. */
  async write(text: string): Promise<void> {
    for (let rest = text; ; ) {
      const { read, written } = this.#encoder.encodeInto(rest, this.#buffer.subarray(this.#used))
      this.#used += written
      if (read === rest.length) return
      await this.#flush()
      rest = rest.slice(read)
    }
  }

  async #flush(): Promise<void> {
    await this.#append(this.#buffer.subarray(0, this.#used))
    this.#used = 0
  }

  async #append(bytes: Uint8Array): Promise<void> {
    this.#hash.update(bytes)
    let done = 0
    while (done < bytes.length) {
      const { bytesWritten } = await this.#handle.write(bytes, done, bytes.length - done, this.#bytes + done)
      done += bytesWritten
    }
    this.#bytes += bytes.length
  }

  /** What was written is on disk, and counted. */
  async sync(): Promise<void> {
    await this.#flush()
    await this.#handle.datasync()
  }

  /** Lower-case hex SHA-256 of all that was written. Once. */
  digest(): string {
    return this.#hash.digest('hex')
  }

  close(): Promise<void> {
    return this.#handle.close()
  }
}
