import { resolve } from 'node:path'
import type { Command } from 'commander'
import { archive, archivePlan } from '../../archive/archive.js'
import { lockUntil, type ObjectLock } from '../../archive/object-lock.js'
import type { ArchiveContext } from '../../archive/place.js'
import { isS3Place } from '../../archive/s3/s3-place.js'
import { archivedRow } from '../../event/self-rows.js'
import { wallClock } from '../../host/globals.js'
import { visible, visibleLines } from '../../host/visible.js'
import { archivesAt } from './archive-place.js'
import { openParquetWriter } from './archive-parquet.js'
import { Progress } from './progress.js'
import {
  type RetentionCommand,
  type RetentionFlags,
  retentionCommand,
  retentionSigner,
} from './retention-session.js'
import { openTrailWriter, operator } from './trail-writer.js'
import { trustFrom } from './verify-input.js'
import { findingLine } from './verify-output.js'

interface ArchiveFlags extends RetentionFlags {
  readonly to?: string
  readonly trust?: string
  readonly acceptFindings?: boolean
  readonly dryRun?: boolean
  readonly parquet?: boolean
  readonly objectLock?: string
  readonly retainFor?: string
}

const EXIT_FINDINGS = 1

export async function run(flags: ArchiveFlags, command: Command): Promise<void> {
  const { to, trust, acceptFindings = false, dryRun = false } = flags
  if (flags.before === undefined || to === undefined)
    command.error('--before DATE and --to PLACE are required')
  const given = retentionCommand(flags)
  const { settings, databaseUrl, bound } = given
  const { schema } = settings
  // The trail names the place: it has to mean the same from wherever it is read.
  const store = archivesAt(isS3Place(to) ? to : resolve(to))
  const lock = lockOf(flags, to, command)
  if (dryRun) {
    const { partitions, already } = await archivePlan({ databaseUrl, schema, store }, bound)
    process.stdout.write(
      visibleLines([
        ...partitions.map(({ name }) => `${name} would be archived`),
        `${already} are archived already`,
        '',
      ]),
    )
    return
  }
  const known = await trustFrom(trust)
  const signing = await retentionSigner(given, known)
  const progress = new Progress('rows')
  const context = {
    databaseUrl,
    schema,
    store,
    ...signing,
    trust: known,
    acceptFindings,
    lock,
    onLine: (line: string) => process.stderr.write(`${visible(line)}\n`),
    onRows: (count: number) => progress.add(count),
    onFinding: (finding: Parameters<typeof findingLine>[0]) =>
      process.stdout.write(`${visible(findingLine(finding))}\n`),
  }
  const parquet = flags.parquet === true ? await openParquetWriter() : undefined
  try {
    const isProven = await archiveAndTell(context, given, progress)
    if (!isProven || parquet === undefined) return
    const count = await parquet.write(context)
    process.stdout.write(`${count} archives written as Parquet, too, and read back\n`)
  } finally {
    await parquet?.close()
  }
}

/** @returns whether what was written counts as archived */
async function archiveAndTell(
  context: ArchiveContext,
  { settings, databaseUrl, bound }: RetentionCommand,
  progress: Progress,
): Promise<boolean> {
  const { store, acceptFindings } = context
  const { archived, already, findings } = await archive(context, bound)
  progress.end()
  const writer = openTrailWriter(settings, databaseUrl)
  try {
    for (const { name, rows, place, manifests } of archived) {
      const manifest = manifests.at(-1) ?? ''
      await writer.record(archivedRow({ partition: name, rows, place: place ?? '', manifest }, operator()))
    }
  } finally {
    await writer.close()
  }
  if (findings > 0 && !acceptFindings) {
    process.stderr.write(
      'otel-audit: the archived rows do not all verify: nothing counts as archived. Look at the findings; --accept-findings archives them as they are\n',
    )
    process.exitCode = EXIT_FINDINGS
    return false
  }
  const rows = archived.reduce((sum, one) => sum + one.rows, 0)
  process.stdout.write(
    `${archived.length} partitions archived and proven, ${rows} rows, in ${visible(store.place)}; ${already} were before\n`,
  )
  return true
}

const DAY_MS = 86_400_000
const MOST_DAYS = 36_500

/** What is archived now is locked from now on. */
function lockOf(
  { objectLock, retainFor }: ArchiveFlags,
  place: string,
  command: Command,
): ObjectLock | undefined {
  if (objectLock === undefined && retainFor === undefined) return undefined
  const mode = objectLock?.toUpperCase()
  if ((mode !== 'COMPLIANCE' && mode !== 'GOVERNANCE') || retainFor === undefined)
    command.error('--object-lock compliance or governance, and --retain-for, go together')
  const [, count = '', unit] = /^(\d{1,6})([dw])$/.exec(retainFor) ?? []
  const days = Number(count) * (unit === 'w' ? 7 : 1)
  if (days < 1 || days > MOST_DAYS) command.error('--retain-for takes days or weeks: 2557d, 365w')
  if (!isS3Place(place)) command.error('--object-lock is of object storage: --to s3://BUCKET/PREFIX')
  return lockUntil(mode, wallClock() + days * DAY_MS)
}
