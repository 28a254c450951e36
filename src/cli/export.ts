import { once } from 'node:events'
import type { Command } from 'commander'
import type { TrailFilter } from '../query/filter.js'
import { addFilterFlags, addReadFlags, filterOf, type Flags } from './read-flags.js'
import type { ReadSession } from './run/read-session.js'

const FORMATS = ['ndjson', 'csv'] as const
type Format = (typeof FORMATS)[number]

/** Adds `otel-audit export`. */
export function addExportCommand(program: Command): void {
  const command = program
    .command('export')
    .description(
      'Write all rows of a filter to a file, newest first, with a manifest; or to standard output.',
    )
  addReadFlags(addFilterFlags(command, ['limit', 'cursor']))
    .option(
      '--output <file>',
      'the file; its manifest is <file>.manifest.json (default: standard output, no manifest)',
    )
    .option('--resume', 'go on where an interrupted export to this file stopped')
    .option('--format <format>', 'ndjson or csv', 'ndjson')
    .addHelpText(
      'after',
      `
Examples:
  $ otel-audit export --credential 'payments-*' --from 2026-07-01 --to 2026-10-01 --output q3.ndjson
  $ otel-audit export --credential 'payments-*' --from 2026-07-01 --to 2026-10-01 --output q3.ndjson --resume
  $ otel-audit export --execution-id 7216413337829376 --format csv > incident.csv

The set of rows is fixed when it begins: those of transactions older than every one that is running then. NDJSON is
exact; in CSV a text that a spreadsheet could execute has an apostrophe in front of it. That an export begins, and how
it ends, are rows of the trail; the last one has the SHA-256 of the file.
Exit code: 0 done, 1 failed, 2 usage, 3 interrupted, and can be resumed.`,
    )
    .action(runExport)
}

async function runExport(flags: Flags, command: Command): Promise<void> {
  const format = FORMATS.find((known) => known === flags['format'])
  if (format === undefined) command.error(`--format must be ndjson or csv, not ${String(flags['format'])}`)
  if (flags['resume'] === true && flags['output'] === undefined) command.error('--resume needs --output')
  const { parseFilter, describeFilter } = await import('../query/filter.js')
  const { settledFilter } = await import('../query/export/export-file.js')
  const filter = settledFilter(filterOf(flags))
  const described = describeFilter(parseFilter(filter))
  const { withTrail } = await import('./run/read-session.js')
  await withTrail(flags, async (session) => {
    const { output } = flags
    const run = { session, filter, described, format }
    await (typeof output === 'string' ? toFile(run, output, flags['resume'] === true) : toStandardOutput(run))
  })
}

interface Run {
  readonly session: ReadSession
  readonly filter: TrailFilter
  readonly described: string
  readonly format: Format
}

const EXIT_INTERRUPTED = 3

async function toFile(
  { session, filter, described, format }: Run,
  file: string,
  resume: boolean,
): Promise<void> {
  const [{ checkExport, exportToFile }, { Outcome }, { Progress }] = await Promise.all([
    import('../query/export/export-file.js'),
    import('../event/vocabulary.js'),
    import('./run/progress.js'),
  ])
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
    // What is wrong with the files is no export.
    await checkExport(options)
    await record({ what: 'export', filter: described }, Outcome.Started)
    const { manifest, rows } = await exportToFile(trail, options).catch(
      async (error: unknown) =>
        await failed(record, { what: 'export', filter: described, rows: written }, error),
    )
    progress.end()
    if (manifest === undefined) {
      await record({ what: 'export', filter: described, rows }, Outcome.Stopped)
      process.stderr.write(`Interrupted after ${rows} rows. The same command with --resume goes on.\n`)
      process.exitCode = EXIT_INTERRUPTED
      return
    }
    await record({ what: 'export', filter: described, rows, sha256: manifest.sha256 })
    process.stdout.write(`${rows} rows, ${manifest.bytes} bytes, sha256 ${manifest.sha256}\n`)
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
  const { Outcome } = await import('../event/vocabulary.js')
  await record(reading, Outcome.Other).catch(() => {})
  throw error
}

async function toStandardOutput({ session, filter, described, format }: Run): Promise<void> {
  const [{ Outcome }, { rowJson }, { CSV_HEAD, rowCsv }] = await Promise.all([
    import('../event/vocabulary.js'),
    import('../query/row.js'),
    import('../query/csv.js'),
  ])
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
  let rows = 0
  if (format === 'csv') await write(CSV_HEAD)
  try {
    for await (const page of trail.pages(filter)) {
      if (isGone) break
      rows += page.rows.length
      await write(page.rows.map((row) => (format === 'csv' ? rowCsv(row) : `${rowJson(row)}\n`)).join(''))
    }
  } catch (error) {
    await failed(record, { what: 'export', filter: described, rows }, error)
  }
  await record({ what: 'export', filter: described, rows }, isGone ? Outcome.Stopped : Outcome.Ok)
}
