import { once } from 'node:events'
import { diag, DiagConsoleLogger, DiagLogLevel } from '@opentelemetry/api'
import { createAudit } from '../../audit/audit.js'
import { ComputedEvidence } from '../../query/evidence.js'
import { authenticatorOf } from '../../server/authenticator-of.js'
import { serveTrail } from '../../server/serve.js'
import type { Flags } from '../read-flags.js'
import { openTrail, readSettings } from './read-session.js'
import { trustFrom } from './verify-input.js'

export async function run(flags: Flags): Promise<void> {
  diag.setLogger(new DiagConsoleLogger(), DiagLogLevel.WARN)
  const settings = readSettings(flags)
  const authenticator = await authenticatorOf(settings)
  const trust = await trustFrom(flags['trust'] as string | undefined)
  const { databaseUrl, readerUrl, schema, host, port, corsOrigin, traceUrl, cursorKey } = settings
  const audit = createAudit({ databaseUrl, schema, serviceName: 'otel-audit' })
  const trail = openTrail(settings, cursorKey, 'otel-audit serve')
  try {
    const server = await serveTrail({
      trail,
      audit: audit.service,
      stats: () => audit.stats(),
      authenticator,
      evidence: new ComputedEvidence({ databaseUrl: readerUrl ?? databaseUrl, schema, trust }),
      trust,
      host,
      port,
      corsOrigin,
      traceUrl,
    })
    process.stdout.write(`${server.url}\n`)
    if (authenticator === undefined) {
      process.stderr.write(
        'Nobody may read: set NOETL_INTERNAL_API_TOKEN, or an OpenID Connect issuer and audience.\n',
      )
    }
    await Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')])
    await server.close()
  } finally {
    await Promise.all([trail.close(), audit.close()])
  }
}
