import type { ClientBase } from 'pg'
import { lockHolds } from '../../archive/holds.js'
import type { AuditFields } from '../../event/event.js'
import { AuditError } from '../../errors.js'
import { resolveOptions } from '../../options/resolve.js'
import { checkSchema } from '../../postgres/schema-version.js'
import { openSession } from '../../postgres/session.js'
import { openTrailWriter } from './trail-writer.js'

export interface HoldFlags {
  readonly databaseUrl?: string
  readonly schema?: string
}

/** What a command about holds may do, in one transaction that keeps every retirement waiting. */
export interface HoldSession {
  readonly schema: string
  readonly ask: <T>(work: (client: ClientBase) => Promise<T>) => Promise<T>
  /** Writes the row of the trail about it: before what it is about is committed. */
  readonly record: (fields: AuditFields) => Promise<void>
}

/** @param locks no step of a retirement comes in between */
export async function withHolds<T>(
  { databaseUrl, schema }: HoldFlags,
  locks: boolean,
  work: (session: HoldSession) => Promise<T>,
): Promise<T> {
  const settings = resolveOptions({ databaseUrl, schema }, process.env)
  const url = settings.databaseUrl
  if (url === undefined) {
    const message =
      'no database is given: set NOETL_SECRET_AUDIT_DATABASE_URL or DATABASE_URL, or use --database-url'
    throw new AuditError('AUDIT_INVALID_OPTION', message, { field: 'databaseUrl' })
  }
  const session = await openSession('migrate', {
    databaseUrl: url,
    applicationName: 'otel-audit hold',
    readOnly: !locks,
  })
  const writer = locks ? openTrailWriter(settings, url) : undefined
  try {
    await session.run((client) => checkSchema(client, settings.schema))
    await session.run((client) => client.query('begin'))
    if (locks) await session.run((client) => lockHolds(client, settings.schema))
    const done = await work({
      schema: settings.schema,
      ask: (ask) => session.run(ask),
      record: async (fields) => writer?.record(fields),
    })
    await session.run((client) => client.query('commit'))
    return done
  } finally {
    await session.close()
    await writer?.close()
  }
}
