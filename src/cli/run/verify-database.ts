import { AuditError } from '../../errors.js'
import type { ReadSettings } from '../../options/read-options.js'
import { resolveReadOptions } from '../../options/resolve.js'
import type { DatabaseUrl } from '../../postgres/database-url.js'
import { INSUFFICIENT_PRIVILEGE, mayNotRead } from '../../postgres/read/pool.js'
import { PartedSnapshot } from '../../postgres/read/parted-snapshot.js'
import { Snapshot } from '../../postgres/read/snapshot.js'

export interface DatabaseFlags {
  readonly readerUrl?: string
  readonly databaseUrl?: string
  readonly schema?: string
}

export function readSettingsOf({ readerUrl, databaseUrl, schema }: DatabaseFlags): ReadSettings {
  return resolveReadOptions({ readerUrl, databaseUrl, schema }, process.env)
}

/**
 * A snapshot of the database where `query` and `export` read, too.
 *
 * @param trails with any other trail it is not opened
 */
export async function snapshotOf(settings: ReadSettings, trails: readonly string[]): Promise<Snapshot> {
  const { schema } = settings
  const databaseUrl = urlOf(settings)
  return Snapshot.open({ databaseUrl, schema, trails }).catch((error: unknown) => {
    throw explained(error, schema)
  })
}

/** The same, of which parts are asked for. */
export async function partedSnapshotOf(
  settings: ReadSettings,
  trails: readonly string[],
): Promise<PartedSnapshot> {
  const { schema } = settings
  const databaseUrl = urlOf(settings)
  return PartedSnapshot.open({ databaseUrl, schema, trails }).catch((error: unknown) => {
    throw explained(error, schema)
  })
}

/** Where the trail is read. @throws AuditError `AUDIT_INVALID_OPTION` */
export function urlOf({ readerUrl, databaseUrl }: ReadSettings): DatabaseUrl {
  const url = readerUrl ?? databaseUrl
  if (url !== undefined) return url
  throw new AuditError(
    'AUDIT_INVALID_OPTION',
    'no database is given: set NOETL_SECRET_AUDIT_READER_URL or DATABASE_URL, or use --reader-url or --database-url',
    { field: 'databaseUrl' },
  )
}

/** A missing right is that of a reader here; the sink, which opens the trail, speaks to writers. */
function explained(error: unknown, schema: string): unknown {
  const { code } = ((error as Error).cause ?? {}) as { code?: unknown }
  return code === INSUFFICIENT_PRIVILEGE ? mayNotRead(schema, (error as Error).cause) : error
}
