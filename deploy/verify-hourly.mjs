// Verifies the trail every hour, against a trust file that is begun once, and from what the hour before has left. For
// docker-compose.yml: elsewhere a scheduler does it (deploy/kubernetes/verify.yaml, deploy/systemd).
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

const MAIN = process.env.OTEL_AUDIT_MAIN ?? '/app/node_modules/otel-audit/dist/cli/main.js'
const TRUST = process.env.OTEL_AUDIT_TRUST ?? '/var/lib/otel-audit/audit.trust'
const KEY = process.env.OTEL_AUDIT_VERIFIER_KEY ?? '/var/lib/otel-audit/verifier.pem'
const STATE = process.env.OTEL_AUDIT_STATE ?? '/var/lib/otel-audit/verify.state'
const METRICS_HOST = process.env.OTEL_AUDIT_METRICS_HOST ?? '0.0.0.0'
const METRICS_PORT = process.env.OTEL_AUDIT_METRICS_PORT ?? '9464'

const run = (...args) =>
  spawnSync(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'inherit'], encoding: 'utf8' })

process.on('SIGTERM', () => process.exit(0))

// Until something was recorded there is nothing to begin with.
while (!existsSync(TRUST) && run('trust', 'init', '--out', TRUST).status !== 0) await sleep(10_000)
if (!existsSync(KEY)) {
  const { status, stdout } = run('keys', 'create', '--verifier', '--out', KEY)
  if (status !== 0) process.exit(1)
  appendFileSync(TRUST, stdout)
}
const args = [
  'verify',
  '--trust',
  TRUST,
  '--state',
  STATE,
  '--verifier-key',
  KEY,
  '--watch',
  '1h',
  '--format',
  'table',
]
const metrics = ['--metrics-host', METRICS_HOST, '--metrics-port', METRICS_PORT]
const watch = spawn(process.execPath, [MAIN, ...args, ...metrics], { stdio: 'inherit' })
process.removeAllListeners('SIGTERM')
process.on('SIGTERM', () => watch.kill('SIGTERM'))
const [code] = await once(watch, 'exit')
process.exitCode = code ?? 1
