import { once } from 'node:events'
import type { Command } from 'commander'
import { type Audit, createAudit } from '../../audit/audit.js'
import { Operation, Outcome } from '../../event/vocabulary.js'
import { randomBytes } from '../../host/crypto.js'
import type { AuditLogger } from '../../host/diagnostics.js'
import { visible, visibleLines } from '../../host/visible.js'
import { loginUrl } from '../../options/database-url.js'
import { migrate } from '../../postgres/migrate/migrate.js'
import { Snapshot } from '../../postgres/read/snapshot.js'
import { ComputedEvidence } from '../../query/evidence.js'
import { describeFilter, parseFilter } from '../../query/filter.js'
import { Trail } from '../../query/trail.js'
import { bearerToken } from '../../server/authentication.js'
import { serveTrail } from '../../server/serve.js'
import { NO_TRUST } from '../../verify/trust.js'
import { verify } from '../../verify/verify.js'
import { startEmbedded } from './embedded/embedded-server.js'
import { withTrail } from './read-session.js'
import { ROW_COLUMNS } from './row-table.js'
import { hasColours, table } from './table.js'
import { anchorsFrom } from './verify-input.js'

interface DemoFlags {
  readonly once?: boolean
  readonly port?: string
}

const SCHEMA = 'noetl'
const SERVICE = 'demo'
const CREDENTIAL = 'orders-db'
/** There is no tracing here to be warned about. */
const ERRORS: AuditLogger = {
  error: (message) => process.stderr.write(`${visible(message)}\n`),
  warn: () => {},
}

export async function run({ once: isShort = false, port = '0' }: DemoFlags, command: Command): Promise<void> {
  if (!/^\d{1,5}$/.test(port) || Number(port) > 65_535)
    command.error(`--port must be an integer from 0 to 65535, not ${port}`)
  forgetEnvironment()
  const server = await startEmbedded()
  try {
    const databaseUrl = await loginOf(server.url)
    const audit = createAudit({ databaseUrl, strict: true, serviceName: SERVICE, logger: ERRORS })
    const trail = new Trail({ databaseUrl, applicationName: 'otel-audit demo' })
    try {
      await audit.start()
      await recordAccesses(audit)
      await showRows(databaseUrl)
      process.stdout.write(`\n${await proof(databaseUrl)}\n`)
      if (!isShort) await untilInterrupted({ audit, trail, databaseUrl, port: Number(port) })
    } finally {
      await Promise.all([trail.close(), audit.close()])
    }
  } finally {
    await server.close()
  }
}

/** Tables, roles, and a login that can write and read, and cannot change: as in production. @returns its URL */
async function loginOf(url: string): Promise<string> {
  const password = randomBytes(12).toString('hex')
  await migrate({ databaseUrl: url, schema: SCHEMA, login: SERVICE, reads: true, password })
  return loginUrl(url, SERVICE, password)
}

/** As a service would: one that is granted, one that is denied, and one that nobody waits for. */
async function recordAccesses({ service }: Audit): Promise<void> {
  const access = { credential: CREDENTIAL, operation: Operation.GetCredential, actorType: 'user' } as const
  await service.guard({ ...access, actorId: 'jane' }, () => 'a secret, released after its row is committed')
  const denied = Object.assign(new Error('not for you'), { auditOutcome: Outcome.AccessDenied })
  await service
    .guard({ ...access, actorId: 'mallory' }, () => Promise.reject(denied))
    .catch((error: unknown) => {
      if (error !== denied) throw error
    })
  await service.record(
    { ...access, actorId: 'nightly-job', actorType: 'service', outcome: Outcome.CredentialNotFound },
    { mode: 'strict' },
  )
}

/** Settings of a service's trail: the demo has one of its own. */
function forgetEnvironment(): void {
  for (const name of Object.keys(process.env)) {
    if (/^(NOETL|OTEL)_|^DATABASE_URL/.test(name)) delete process.env[name]
  }
}

/** What `otel-audit query` shows, and records as it does. */
async function showRows(databaseUrl: string): Promise<void> {
  await withTrail({ databaseUrl }, async ({ trail, record }) => {
    const filter = { credential: CREDENTIAL }
    const { rows } = await trail.search(filter)
    await record({ what: 'rows', filter: describeFilter(parseFilter(filter)), rows: rows.length })
    process.stdout.write(table(ROW_COLUMNS, rows, hasColours(process.stdout)))
  })
}

/** What `otel-audit verify` says, in one line. */
async function proof(databaseUrl: string): Promise<string> {
  const reader = await Snapshot.open({ databaseUrl, schema: SCHEMA })
  try {
    const { rows, blocks, findings } = await verify(reader, {
      trust: NO_TRUST,
      anchors: (await anchorsFrom(undefined)).anchors,
      selection: { chain: undefined, ids: undefined },
      onFinding: () => {},
    })
    const found = [...findings.keys()]
    if (found.length > 0) throw new Error(`verify has findings: ${found.join(', ')}`)
    return `verified: ${rows.proven} rows in ${blocks} signed blocks, nothing found`
  } finally {
    await reader.close()
  }
}

interface Running {
  readonly audit: Audit
  readonly trail: Trail
  readonly databaseUrl: string
  readonly port: number
}

async function untilInterrupted({ audit, trail, databaseUrl, port }: Running): Promise<void> {
  const token = randomBytes(16).toString('hex')
  const server = await serveTrail({
    trail,
    audit: audit.service,
    authenticator: bearerToken(token),
    evidence: new ComputedEvidence({ databaseUrl, schema: SCHEMA, trust: NO_TRUST }),
    port,
  })
  process.stdout.write(
    visibleLines([
      '',
      `console  ${server.url}/  with the token ${token}`,
      '',
      'In another terminal, while this runs:',
      `  export DATABASE_URL=${databaseUrl}`,
      `  npx otel-audit query --credential ${CREDENTIAL}`,
      '  npx otel-audit verify',
      '  node --import otel-audit/register app.js    # a service of yours',
      '',
      'Ctrl-C ends it, and removes the database.',
      '',
    ]),
  )
  await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM'), once(process, 'SIGHUP')])
  await server.close()
}
