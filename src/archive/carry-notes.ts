import type { ClientBase } from 'pg'
import { AuditError } from '../errors.js'
import type { Connection } from '../postgres/connection.js'
import { quotedSchema } from '../postgres/schema-name.js'
import { isStartsNote, parseStarts, startsSum } from '../verify/chain-start.js'
import { parseRetention, type Retention } from '../verify/retention-note.js'
import type { RetentionRow } from '../verify/source.js'
import { type KnownStarts, knownStarts, retentionOf } from './known-starts.js'
import type { ArchiveContext } from './place.js'
import type { RetireBlocksContext } from './retire-blocks.js'

export interface CarryContext
  extends Pick<ArchiveContext, 'databaseUrl' | 'schema' | 'signer' | 'trust' | 'onLine'>,
    Pick<RetireBlocksContext, 'recordStarts'> {
  /** Writes the row of the trail about a partition, with its signed note, and waits for the commit. */
  readonly record: (retention: Retention, note: string) => Promise<void>
}

/**
 * Rows that say what was retired are of a month themselves. Before that goes, what counts of them is said again, in rows of now with
 * the same notes: else rows that were retired long ago would be missing.
 *
 * @param bound rows with smaller ids may go
 * @throws AuditError `AUDIT_RETENTION` when the key is not known that has signed what would go; those of `record` and `recordStarts`
 */
export async function carryNotes(context: CarryContext, session: Connection, bound: bigint): Promise<void> {
  const known = await knownStarts(context, session)
  const counted = await countedRows(known)
  const own = await session.run((client) => notesOf(client, context.schema))
  refuseUnknown(known, counted, own, bound)
  const stay = new Set(known.rows.filter(({ auditId }) => auditId >= bound).map(({ note }) => note))
  const go = effective(counted, known).filter((note) => !stay.has(note))
  for (const note of go) {
    if (isStartsNote(note)) await context.recordStarts(parseStarts(note), note)
    else await context.record(parseRetention(note), note)
  }
  if (go.length > 0) context.onLine(`${go.length} notes about what was retired earlier are said again`)
}

/** Of each range the newest note, whatever it says, and the one about where chains begin now. */
function effective(counted: readonly RetentionRow[], { starts }: KnownStarts): readonly string[] {
  const newest = new Map<string, { readonly time: number; readonly note: string }>()
  const sum = startsSum(starts)
  for (const { note } of counted) {
    const said = isStartsNote(note) ? parseStarts(note) : parseRetention(note)
    if ('chains' in said && said.sum !== sum) continue
    const about = 'chains' in said ? 'starts' : `${said.from ?? '-'} ${said.to}`
    const other = newest.get(about)
    if (other === undefined || other.time <= said.time) newest.set(about, { time: said.time, note })
  }
  return [...newest.values()].map(({ note }) => note)
}

async function countedRows({ rows, trust }: KnownStarts): Promise<readonly RetentionRow[]> {
  const found: RetentionRow[] = []
  for (const row of rows) if ((await retentionOf([row], trust)).counted > 0) found.push(row)
  return found
}

/**
 * What this library has noted and nobody known has signed: its key was changed. Any other row is somebody's who has no key.
 *
 * @param own notes that this library has written last, of each range
 */
function refuseUnknown(
  { rows }: KnownStarts,
  counted: readonly RetentionRow[],
  own: readonly string[],
  bound: bigint,
): void {
  const noted = new Set(own)
  const known = new Set(counted.map(({ note }) => note))
  const unknown = rows.filter(({ auditId, note }) => auditId < bound && noted.has(note) && !known.has(note))
  const [first] = unknown
  if (first === undefined) return
  throw new AuditError(
    'AUDIT_RETENTION',
    `row ${first.auditId} says what was retired, and is signed by a retention key that is not known here`,
    {
      remedy:
        'Give --trust with a trust file that names each retention key there was. Nothing was retired: that row would have gone, and what it says has to be said again.',
    },
  )
}

async function notesOf(client: ClientBase, schema: string): Promise<readonly string[]> {
  const { rows } = await client.query<{ note: string }>(
    `select note from ${quotedSchema(schema)}.secret_audit_retirement where note is not null`,
  )
  return rows.map(({ note }) => note)
}
