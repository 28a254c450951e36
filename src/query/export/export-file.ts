import { JSON } from '../../host/globals.js'
import { constants } from 'node:fs'
import { access, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { AuditError } from '../../errors.js'
import { isSamePlace } from '../../postgres/place.js'
import { VERSION } from '../../version.js'
import { describeFilter, parseFilter, type TrailFilter } from '../filter.js'
import type { Trail } from '../trail.js'
import { ENCODINGS, type ExportFormat } from './export-format.js'
import {
  type CountedChain,
  Counter,
  type ExportedChain,
  exportedFilter,
  type ExportManifest,
  type Tally,
} from './manifest.js'
import { FILE_MODE, PartFile, partOf } from './part-file.js'

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
  /** Rows come to the trail by logical replication, so that another export of the same mark may have more. */
  readonly replicated: boolean
}

/** How far an export has come. It is written after the bytes it counts are on disk. */
interface Checkpoint {
  readonly format: ExportFormat
  /** The filter as it was given. */
  readonly given: string
  /** Its times resolved when the export began. */
  readonly filter: string
  readonly mark: string
  readonly system: string | null
  readonly table: string | null
  readonly unsettled: number
  /** Where the next page begins; null when there is none. */
  readonly cursor: string | null
  readonly bytes: number
  readonly tally: Tally
}

/** Pages between two checkpoints. */
const CHECKPOINT_PAGES = 20

/**
 * Exports the whole settled result into a file, newest row first, in constant memory. Interrupted at whatever moment, it
 * is resumed without a gap or a repeat: the set of rows was fixed when it began.
 *
 * @throws AuditError `AUDIT_EXPORT` when the file is there already or cannot be written, or there is nothing that can be
 *   resumed; those of {@link Trail}
 */
export async function exportToFile(trail: Trail, options: ExportOptions): Promise<ExportResult> {
  try {
    return await writeExport(trail, options)
  } catch (error) {
    throw error instanceof AuditError ? error : notWritten(options.file, error)
  }
}

/**
 * Whether {@link exportToFile} can begin, or go on, as far as the files say. Changes nothing.
 *
 * @throws AuditError `AUDIT_EXPORT`
 */
export async function checkExport(options: ExportOptions): Promise<void> {
  await begun(options, parseFilter(settledFilter(options.filter)).text)
}

async function writeExport(trail: Trail, options: ExportOptions): Promise<ExportResult> {
  const { file, format, signal } = options
  const filter = settledFilter(options.filter)
  const resolved = parseFilter(filter)
  const { text: given } = resolved
  const checkpoint = await begun(options, given)
  const counter = new Counter(checkpoint?.tally)
  const described = checkpoint?.filter ?? describeFilter(resolved)
  const output = await PartFile.open(file, checkpoint?.bytes)
  try {
    const state = await trail.settledState()
    if (checkpoint !== undefined && !isSamePlace(checkpoint, state)) throw moved(file)
    const mark = checkpoint?.mark ?? settledFrom(filter) ?? String(state.mark)
    const { system, table, unsettled } = checkpoint ?? state
    const { replicated } = state
    const save = async (cursor: string | null): Promise<void> => {
      await output.sync()
      const { bytes } = output
      await writeCheckpoint(file, {
        format,
        given,
        filter: described,
        mark,
        system,
        table,
        unsettled,
        cursor,
        bytes,
        tally: counter.tally,
      })
    }
    const encoding = ENCODINGS[format]
    if (checkpoint === undefined) await output.write(encoding.head)
    let pages = 0
    let cursor = checkpoint?.cursor
    const isComplete = checkpoint !== undefined && checkpoint.cursor === null
    const marked = { ...filter, settled: mark }
    const rest = isComplete ? [] : trail.pages(cursor == null ? marked : { ...marked, cursor })
    for await (const page of rest) {
      for (const one of page.rows) {
        await output.write(encoding.line(one))
        counter.add(one)
      }
      counter.addForeign(page.foreign ?? 0)
      options.onRows?.(page.rows.length)
      cursor = page.next_cursor
      const isStopped = signal?.aborted === true && cursor !== null
      if (isStopped || ++pages % CHECKPOINT_PAGES === 0) await save(cursor)
      if (isStopped) return { manifest: undefined, rows: counter.tally.rows, replicated }
    }
    await save(null)
    const manifest: ExportManifest = {
      format: 'otel-audit/export/v1',
      version: VERSION,
      finished_at: new Date().toISOString(),
      file: basename(file),
      media_type: encoding.mediaType,
      schema: encoding.schema,
      bytes: output.bytes,
      sha256: output.digest(),
      filter: exportedFilter(described, resolved.withoutOwn),
      mark,
      system,
      table,
      unsettled,
      ...counter.tally,
      chains: await withHashes(trail, counter.tally.chains),
    }
    await replace(`${file}.manifest.json`, `${JSON.stringify(manifest, undefined, 2)}\n`)
    await rename(partOf(file), file)
    await rm(checkpointFile(file))
    return { manifest, rows: manifest.rows, replicated }
  } finally {
    await output.close()
  }
}

/** Counted chains with the hash of the last block that the rows name. */
export async function withHashes(trail: Trail, chains: readonly CountedChain[]): Promise<ExportedChain[]> {
  const all: ExportedChain[] = []
  for (const chain of chains) {
    const last = await trail.block(chain.chain_id, BigInt(chain.last_block))
    all.push({ ...chain, log: last?.log ?? null, last_block_hash: last?.hash ?? null })
  }
  return all
}

/** The mark that was asked for by name. */
function settledFrom({ settled }: TrailFilter): string | undefined {
  return typeof settled === 'string' && /^\d+$/.test(settled) ? settled : undefined
}

/** An export is of a set that no longer changes, whatever was asked for. */
export function settledFilter(filter: TrailFilter): TrailFilter {
  const { settled } = filter
  return { ...filter, settled: typeof settled === 'string' && settled !== 'false' ? settled : true }
}

const checkpointFile = (file: string): string => `${file}.part.json`

/** @returns where an export that is to be resumed stopped */
async function begun(options: ExportOptions, given: string): Promise<Checkpoint | undefined> {
  await refuseExisting(options.file)
  await requireDirectory(options.file)
  return checkpointOf(options, given)
}

function moved(file: string): AuditError {
  return new AuditError(
    'AUDIT_EXPORT',
    `the export to ${file} was started on another server or of another table, whose transactions say nothing of this one: remove ${partOf(file)} and ${checkpointFile(file)}, and begin anew`,
  )
}

async function requireDirectory(file: string): Promise<void> {
  const directory = dirname(file)
  if ((await stat(directory).catch(() => undefined))?.isDirectory() !== true) {
    throw new AuditError(
      'AUDIT_EXPORT',
      `there is no directory ${directory}: create it, or name another file`,
    )
  }
  await access(directory, constants.W_OK).catch((error: unknown) => {
    throw notWritten(file, error)
  })
}

function notWritten(file: string, error: unknown): AuditError {
  const { code, message } = error as NodeJS.ErrnoException
  const why = `${file} cannot be written (${code ?? message})`
  return new AuditError(
    'AUDIT_EXPORT',
    `${why}: check its directory, and continue with --resume if ${partOf(file)} exists`,
    { cause: error },
  )
}

async function refuseExisting(file: string): Promise<void> {
  if (await stat(file).catch(() => undefined)) {
    throw new AuditError(
      'AUDIT_EXPORT',
      `${file} exists already; an export never overwrites a file: name another, or remove it`,
    )
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
      `an export to ${file} was started and not finished: continue with --resume, or remove ${partOf(file)} and ${checkpointFile(file)}`,
    )
  }
  if (!isThere) {
    throw new AuditError('AUDIT_EXPORT', `no export to ${file} was started: start it without --resume`)
  }
  // Killed before its first checkpoint: there is nothing to go on with.
  if (text === undefined) return undefined
  const checkpoint = parsed(text)
  if (checkpoint === undefined) {
    throw new AuditError(
      'AUDIT_EXPORT',
      `${checkpointFile(file)} is damaged: remove it and ${partOf(file)}, and start without --resume`,
    )
  }
  if (checkpoint.given === given && checkpoint.format === format) return checkpoint
  throw new AuditError(
    'AUDIT_EXPORT',
    `the export to ${file} that was started is another one (${checkpoint.format}, ${checkpoint.given}): repeat its filters and format`,
  )
}

function parsed(text: string): Checkpoint | undefined {
  try {
    return JSON.parse(text) as Checkpoint
  } catch {
    return undefined
  }
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
