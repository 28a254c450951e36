// Verifies the trail at start and then every hour, against a trust file that is begun once. For docker-compose.yml: elsewhere
// a scheduler does it (deploy/kubernetes/verify.yaml, deploy/systemd).
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

const MAIN = process.env.OTEL_AUDIT_MAIN ?? '/app/node_modules/otel-audit/dist/cli/main.js'
const TRUST = process.env.OTEL_AUDIT_TRUST ?? '/var/lib/otel-audit/audit.trust'
const HOUR_MS = 3_600_000

/** @returns its exit code */
async function otelAudit(...args) {
  const [code] = await once(spawn(process.execPath, [MAIN, ...args], { stdio: 'inherit' }), 'exit')
  return code
}

process.on('SIGTERM', () => process.exit(0))
for (;;) {
  // Until something was recorded there is nothing to begin with.
  if (!existsSync(TRUST) && (await otelAudit('trust', 'init', '--out', TRUST)) !== 0) {
    await sleep(10_000)
    continue
  }
  const code = await otelAudit('verify', '--trust', TRUST, '--format', 'table')
  console.log(`${new Date().toISOString()} verify: exit code ${code}`)
  await sleep(HOUR_MS)
}
