import { visibleJson } from '../../host/visible.js'
import { once } from 'node:events'
import type { Command } from 'commander'
import { Outcome } from '../../event/vocabulary.js'
import { checkExport, exportToFile, settledFilter } from '../../query/export/export-file.js'
import { describeFilter, parseFilter, type TrailFilter } from '../../query/filter.js'
import { ENCODINGS, EXPORT_FORMATS, type ExportFormat } from '../../query/export/export-format.js'
import { filterOf, type Flags } from '../read-flags.js'
import { type AskSession, withAsked } from './archive-session.js'
import { Progress } from './progress.js'
import { type ReadSession, withTrail } from './read-session.js'
import { tellRetired } from './retired-window.js'
import { saySettled } from './settled.js'

export async function run(flags: Flags, command: Command): Promise<void> {
  const format = EXPORT_FORMATS.find((known) => known === flags['format'])
  if (format === undefined) {
    const formats = `${EXPORT_FORMATS.slice(0, -1).join(', ')} or ${EXPORT_FORMATS.at(-1)}`
    command.error(`--format must be ${formats}, not ${String(flags['format'])}`)
  }
  if (flags['resume'] === true && flags['output'] === undefined) command.error('--resume needs --output')
  const filter = settledFilter(filterOf(flags))
  const described = describeFilter(parseFilter(filter))
  const { output } = flags
  if (typeof output !== 'string') {
    return withAsked(flags, (session) => toStandardOutput({ session, filter, described, format }))
  }
  if (flags['archive'] !== undefined)
    command.error('--archive is read to standard output: an archive has a manifest of its own')
  await withTrail(flags, (session) =>
    toFile({ session, filter, described, format }, output, flags['resume'] === true),
  )
}

interface ExportJob<Session> {
  readonly session: Session
  readonly filter: TrailFilter
  readonly described: string
  readonly format: ExportFormat
}

const EXIT_INTERRUPTED = 3

async function toFile(
  { session, filter, described, format }: ExportJob<ReadSession>,
  file: string,
  resume: boolean,
): Promise<void> {
  const { trail, record } = session
  const stop = new AbortController()
  let written = 0
  const onSignal = (): void => stop.abort()
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal)
  const progress = new Progress('rows')
  const options = {
    file,
    format,
    filter,
    resume,
    signal: stop.signal,
    onRows: (count: number) => {
      written += count
      progress.add(count)
    },
  }
  try {
    // Something wrong with the files is not recorded as an export.
    await checkExport(options)
    await record({ what: 'export', filter: described }, Outcome.Started)
    const { manifest, rows, replicated } = await exportToFile(trail, options).catch(
      async (error: unknown) =>
        await failed(record, { what: 'export', filter: described, rows: written }, error),
    )
    progress.end()
    if (manifest === undefined) {
      await record({ what: 'export', filter: described, rows }, Outcome.Stopped)
      process.stderr.write(
        `Interrupted after ${rows} rows. Run the same command with --resume to continue.\n`,
      )
      process.exitCode = EXIT_INTERRUPTED
      return
    }
    await record({ what: 'export', filter: described, rows, sha256: manifest.sha256 })
    await tellRetired(trail, parseFilter(filter), 'export')
    process.stdout.write(`${rows} rows, ${manifest.bytes} bytes, sha256 ${manifest.sha256}\n`)
    saySettled({ ...manifest, replicated })
  } finally {
    progress.end()
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal)
  }
}

/** How it ended is a row too. Where that cannot be written either, the first error is the one to look at. */
async function failed(
  record: ReadSession['record'],
  reading: Parameters<ReadSession['record']>[0],
  error: unknown,
): Promise<never> {
  await record(reading, Outcome.Other).catch(() => {})
  throw error
}

async function toStandardOutput({
  session,
  filter,
  described,
  format,
}: ExportJob<AskSession>): Promise<void> {
  const { trail, record } = session
  await record({ what: 'export', filter: described }, Outcome.Started)
  let isGone = false
  // The reader of the pipe has had enough.
  process.stdout.once('error', () => {
    isGone = true
  })
  const write = async (text: string): Promise<void> => {
    if (!isGone && !process.stdout.write(text)) {
      await Promise.race([once(process.stdout, 'drain'), once(process.stdout, 'close')]).catch(() => {})
    }
  }
  let [rows, foreign] = [0, 0]
  const state = await trail.settledState()
  const { head, line } = ENCODINGS[format]
  if (head !== '') await write(head)
  try {
    for await (const page of trail.pages(filter)) {
      if (isGone) break
      rows += page.rows.length
      foreign += page.foreign ?? 0
      await write(page.rows.map((row) => (format === 'csv' ? line(row) : visibleJson(line(row)))).join(''))
    }
  } catch (error) {
    await failed(record, { what: 'export', filter: described, rows }, error)
  }
  saySettled({ ...state, foreign })
  if (session.retiredOf !== undefined) await tellRetired(session.retiredOf, parseFilter(filter), 'export')
  await record({ what: 'export', filter: described, rows }, isGone ? Outcome.Stopped : Outcome.Ok)
}
