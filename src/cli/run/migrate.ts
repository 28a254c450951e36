import type { Command } from 'commander'
import { visible, visibleLines } from '../../host/visible.js'
import { AuditError } from '../../errors.js'
import { loginUrl } from '../../options/database-url.js'
import { resolveOptions } from '../../options/resolve.js'
import { migrate, type MigrateReport } from '../../postgres/migrate/migrate.js'
import type { PartitionWidth } from '../../postgres/partitions.js'
import { nextSteps } from './next-steps.js'
import { UrlFile } from './url-file.js'

interface MigrateFlags {
  readonly databaseUrl?: string
  readonly schema?: string
  readonly roles?: boolean
  readonly dryRun?: boolean
  readonly login?: string
  readonly reads?: boolean
  readonly urlFile?: string
  readonly newTrail?: boolean
  readonly keepTrail?: boolean
  readonly partitionWidth?: PartitionWidth
}

export async function run(flags: MigrateFlags, command: Command): Promise<void> {
  const {
    roles = false,
    dryRun = false,
    login,
    reads = false,
    urlFile,
    newTrail,
    keepTrail,
    partitionWidth,
  } = flags
  refuseContradictions(flags, command)
  const { databaseUrl, schema } = resolveOptions(
    { databaseUrl: flags.databaseUrl, schema: flags.schema },
    process.env,
  )
  if (databaseUrl === undefined) {
    throw new AuditError(
      'AUDIT_INVALID_OPTION',
      'no database is given: set NOETL_SECRET_AUDIT_DATABASE_URL or DATABASE_URL (or …_FILE), or use --database-url',
      { field: 'databaseUrl' },
    )
  }
  const file = urlFile === undefined ? undefined : await UrlFile.create(urlFile)
  try {
    const result = await migrate({
      databaseUrl,
      schema,
      roles,
      dryRun,
      ...(login !== undefined && { login, reads }),
      ...(file !== undefined && { password: file.password }),
      ...(newTrail && { trail: 'new' as const }),
      ...(keepTrail && { trail: 'keep' as const }),
      ...(partitionWidth !== undefined && { partitionWidth }),
      onProgress: (line) => process.stderr.write(`${visible(line)}\n`),
    })
    process.stdout.write(result.sql ?? summary(result))
  } catch (error) {
    await file?.remove()
    throw error
  }
  if (dryRun) return
  if (login !== undefined) {
    const url = typeof databaseUrl === 'function' ? await databaseUrl() : databaseUrl
    await file?.write(loginUrl(url, login, file.password))
    process.stdout.write(`login       ${loginUrl(url, login)}\n`)
  }
  process.stderr.write(visibleLines(nextSteps({ login, reads, urlFile })))
}

function refuseContradictions(flags: MigrateFlags, command: Command): void {
  const { login, reads, urlFile, dryRun, newTrail, keepTrail } = flags
  if (newTrail && keepTrail) command.error('--new-trail and --keep-trail contradict each other')
  if (login === undefined && reads) command.error('--reads is for the login that --login names')
  if (login === undefined && urlFile !== undefined)
    command.error('--url-file is for the URL of the login that --login names')
  if (dryRun && urlFile !== undefined)
    command.error('--dry-run makes no login whose URL --url-file could hold')
}

function summary(report: MigrateReport): string {
  const { schema, applied, adopted, partitions, roles, trail, formerTrail } = report
  const migrations = applied.map(({ number, name }) => `${number} ${name.replaceAll('_', ' ')}`).join(', ')
  const span = partitions.length < 2 ? partitions.join('') : `${partitions[0]} to ${partitions.at(-1)}`
  return visibleLines([
    `schema      ${schema}`,
    `migrations  ${migrations || 'none were missing'}`,
    ...(adopted ? ['adopted     the existing table, as partition secret_audit_adopted'] : []),
    `partitions  ${partitions.length === 0 ? 'none were missing' : `${partitions.length} made: ${span}`}`,
    `trail       ${trail ?? 'none'}`,
    ...(formerTrail === undefined
      ? []
      : [
          `was         ${formerTrail}`,
          '            Blocks from before are of that trail: `otel-audit verify` reports their chains as chain-foreign, unless',
          '            the trust file names both. Services that write here begin new chains when they are restarted; where',
          '            NOETL_SECRET_AUDIT_TRAIL or a trust file names the former trail, they are refused until it is changed.',
        ]),
    ...(roles.length > 0 ? [`roles       ${roles.join(', ')}`] : []),
    '',
  ])
}
