import { existsSync } from 'node:fs'
import { AuditError } from '../errors.js'

/**
 * Where a file of this package lies: its SQL, the programs of its workers, the console.
 *
 * @param file beside the module
 * @param base `import.meta.url` of that module; undefined in code that a bundler has made CommonJS of
 * @throws AuditError `AUDIT_PACKAGE` when it is not there
 */
export function packageFile(file: string, base: string | undefined): URL {
  const url = URL.canParse(file, base) ? new URL(file, base) : undefined
  if (url === undefined || !existsSync(url)) {
    throw new AuditError('AUDIT_PACKAGE', `${file} of otel-audit is not beside its code`)
  }
  return url
}
