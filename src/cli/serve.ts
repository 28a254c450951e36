import { once } from 'node:events'
import type { Command } from 'commander'
import { addReadFlags, type Flags } from './read-flags.js'

/** Adds `otel-audit serve`. */
export function addServeCommand(program: Command): void {
  addReadFlags(
    program.command('serve').description('Serve the trail over HTTP: the query routes, health and metrics.'),
    { canBeUnrecorded: false },
  )
    .option('--host <address>', 'address to listen on (default: $NOETL_SECRET_AUDIT_HOST, else 127.0.0.1)')
    .option(
      '--port <number>',
      'port to listen on, 0 for a free one (default: $NOETL_SECRET_AUDIT_PORT, else 8484)',
    )
    .option(
      '--trust <file>',
      'what you know by yourself, as for `otel-audit verify`: rows are held against it',
    )
    .addHelpText(
      'after',
      `
Example:
  $ export DATABASE_URL=postgres://audit_server@db.example/app NOETL_INTERNAL_API_TOKEN=$(openssl rand -hex 32)
  $ otel-audit serve
  $ curl -H "Authorization: Bearer $NOETL_INTERNAL_API_TOKEN" \\
      'http://127.0.0.1:8484/api/internal/secret-audit?outcome=not-ok&from=-24h'

Its login needs the reader role, and the writer role for the rows about reads. Without a token or OpenID Connect
(see docs/options.md) nobody may read, and it listens on no address but loopback. It ends on SIGTERM and SIGINT.
Exit code: 0 ended, 1 failed, 2 usage.`,
    )
    .action(runServe)
}

async function runServe(flags: Flags): Promise<void> {
  const { diag, DiagConsoleLogger, DiagLogLevel } = await import('@opentelemetry/api')
  diag.setLogger(new DiagConsoleLogger(), DiagLogLevel.WARN)
  const { openTrail, readSettings } = await import('./run/read-session.js')
  const settings = readSettings(flags)
  const [{ createAudit }, { authenticatorOf }, { serveTrail }, { ComputedEvidence }, { trustFrom }] =
    await Promise.all([
      import('../audit/audit.js'),
      import('../server/authenticator-of.js'),
      import('../server/serve.js'),
      import('../query/evidence.js'),
      import('./run/verify-input.js'),
    ])
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
