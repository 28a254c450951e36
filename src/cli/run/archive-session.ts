import { ArchivedTrail } from '../../archive/archived-trail.js'
import { type OpenArchives, openArchives } from '../../archive/open-archives.js'
import { AuditError } from '../../errors.js'
import { snowflakeTime } from '../../event/snowflake.js'
import { Outcome } from '../../event/vocabulary.js'
import { JSON } from '../../host/globals.js'
import { visible } from '../../host/visible.js'
import { resolveReadOptions } from '../../options/resolve.js'
import type { Trail } from '../../query/trail.js'
import type { Trust } from '../../verify/trust.js'
import type { Flags } from '../read-flags.js'
import { archivesAt } from './archive-place.js'
import { type ReadSession, withRecord, withTrail } from './read-session.js'
import { trustFrom } from './verify-input.js'

/** What can be asked of a trail, and of archives of it. */
export interface AskSession extends Pick<ReadSession, 'record'> {
  readonly trail: Pick<Trail, 'search' | 'pages' | 'summary' | 'settledState'>
  /** What of the trail was retired. Undefined: archives are asked. */
  readonly retiredOf: Pick<Trail, 'retired'> | undefined
}

/** Archives in place of the trail. */
export interface ArchiveSession extends Pick<ReadSession, 'record'> {
  readonly opened: OpenArchives
}

/** As that of the command line for the trail: a cursor of one is understood by the other. */
const CURSOR_KEY = 'otel-audit command line'

/** Opens the trail, or with `--archive` the archives, for a command. */
export async function withAsked(flags: Flags, work: (session: AskSession) => Promise<void>): Promise<void> {
  const { archive } = flags
  if (typeof archive !== 'string')
    return withTrail(flags, ({ trail, record }) => work({ trail, record, retiredOf: trail }))
  const trust = await trustFrom(flags['trust'] as string | undefined)
  return withArchives({ flags, archive, trust }, ({ opened, record }) =>
    work({ trail: new ArchivedTrail(opened, CURSOR_KEY), record, retiredOf: undefined }),
  )
}

interface ArchiveRequest {
  readonly flags: Flags
  /** As it was given. */
  readonly archive: string
  readonly trust: Trust
}

/** Opens archives for a command. The read is recorded where a database is configured. */
export async function withArchives(
  { flags, archive, trust }: ArchiveRequest,
  work: (session: ArchiveSession) => Promise<void>,
): Promise<void> {
  refuseOfTrail(flags)
  const opened = await openArchives(archivesAt(archive), trust)
  if ((trust.retention ?? []).length === 0) {
    process.stderr.write(
      'otel-audit: who has signed these archives was not looked at: --trust with a trust file that names a retention key\n',
    )
  }
  process.stderr.write(
    `otel-audit: archives in ${visible(archive)}, of rows with ids before ${endOf(opened)}\n`,
  )
  const { databaseUrl } = resolveReadOptions(
    {
      databaseUrl: flags['databaseUrl'] as string | undefined,
      schema: flags['schema'] as string | undefined,
    },
    process.env,
  )
  // Offline nobody can write a row about it.
  if (databaseUrl !== undefined && flags['unrecorded'] !== true) {
    return withRecord(flags, async (record) =>
      work({
        opened,
        record: (reading, outcome) => record({ ...reading, filter: about(archive, reading.filter) }, outcome),
      }),
    )
  }
  process.stderr.write('otel-audit: this read is not recorded in the trail\n')
  await work({ opened, record: async (_reading, _outcome = Outcome.Ok) => {} })
}

/** @throws AuditError `AUDIT_INVALID_OPTION` for a flag that says how the trail is read: archives are read in its place */
function refuseOfTrail({ readerUrl }: Flags): void {
  if (readerUrl === undefined) return
  throw new AuditError(
    'AUDIT_INVALID_OPTION',
    '--reader-url is for reading the trail, and --archive reads files in its place: leave one of them out',
    { field: 'readerUrl' },
  )
}

/** Rows with ids of this time and later are not archived. RFC 3339. */
export function endOf({ ids }: OpenArchives): string {
  return new Date(snowflakeTime(ids.last + 1n)).toISOString()
}

/** The filter of a row about a read says where it was read. */
function about(archive: string, filter: string): string {
  return filter === '{}'
    ? `{"archive":${JSON.stringify(archive)}}`
    : `{"archive":${JSON.stringify(archive)},${filter.slice(1)}`
}
