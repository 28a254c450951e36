import { diag } from '../host/diagnostics.js'
import type { Environment } from '../host/environment.js'
import { Operation, Outcome } from '../event/vocabulary.js'
import { OpenAccess, type Watch } from './open-access.js'

/**
 * Records which of the named variables the process was given at its start: one row for each. By name: neither the value of
 * one, nor anything made of it, is looked at or recorded. Nothing waits for them, since the process has them already.
 */
export function recordDelivered(watch: Watch, env: Environment): void {
  // Not entered into the coverage: there is nothing to hook, and each row says what it is.
  const copy = watch.coverage.copy('process.env', undefined)
  for (const name of watch.settings.env) {
    const open = OpenAccess.begin(watch, copy, 'observed', {
      provider: 'env',
      api: 'start',
      operation: Operation.GetCredential,
      credential: `env:${name}`,
      attributes: { source: 'env' },
    })
    const outcome = env[name] === undefined ? Outcome.CredentialNotFound : Outcome.Ok
    open?.release([{ outcome }], { mode: 'async' }).catch((error: unknown) => {
      diag.error('otel-audit: a variable of the environment could not be recorded', error)
    })
  }
}
