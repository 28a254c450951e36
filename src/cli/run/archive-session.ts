import { ArchivedTrail } from '../../archive/archived-trail.js'
import { snowflakeTime } from '../../event/snowflake.js'
import { Outcome } from '../../event/vocabulary.js'
import { JSON } from '../../host/globals.js'
import { visible } from '../../host/visible.js'
import { resolveReadOptions } from '../../options/resolve.js'
import type { Trail } from '../../query/trail.js'
import type { Flags } from '../read-flags.js'
import { archivesAt } from './archive-place.js'
import { type ReadSession, withRecord, withTrail } from './read-session.js'
import { trustFrom } from './verify-input.js'

/** What can be asked of a trail, and of archives of it. */
export interface AskSession extends Pick<ReadSession, 'record'> {
  readonly trail: Pick<Trail, 'search' | 'pages' | 'summary' | 'settledState'>
}

/** As that of the command line for the trail: a cursor of one is understood by the other. */
const CURSOR_KEY = 'otel-audit command line'

/** Opens the trail, or with `--archive` the archives, for a command. */
export async function withAsked(flags: Flags, work: (session: AskSession) => Promise<void>): Promise<void> {
  const { archive } = flags
  if (typeof archive !== 'string') return withTrail(flags, work)
  const trust = await trustFrom(flags['trust'] as string | undefined)
  const trail = await ArchivedTrail.open(archivesAt(archive), trust, CURSOR_KEY)
  if ((trust.retention ?? []).length === 0) {
    process.stderr.write(
      'otel-audit: who has signed these archives was not looked at: --trust with a trust file that names a retention key\n',
    )
  }
  const until = new Date(snowflakeTime(trail.ids.last + 1n)).toISOString()
  process.stderr.write(`otel-audit: archives in ${visible(archive)}, of rows with ids before ${until}\n`)
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
        trail,
        record: (reading, outcome) => record({ ...reading, filter: about(archive, reading.filter) }, outcome),
      }),
    )
  }
  process.stderr.write('otel-audit: this read is not recorded in the trail\n')
  await work({ trail, record: async (_reading, _outcome = Outcome.Ok) => {} })
}

/** The filter of a row about a read says where it was read. */
function about(archive: string, filter: string): string {
  return filter === '{}'
    ? `{"archive":${JSON.stringify(archive)}}`
    : `{"archive":${JSON.stringify(archive)},${filter.slice(1)}`
}
