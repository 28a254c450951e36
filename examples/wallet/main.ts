import { SecretAuditService } from 'otel-audit'
import { portFromEnv, readConfig, walletConfig } from './config.js'
import { serve } from './http.js'
import { fail, runServer } from './lifecycle.js'
import { trailRoutes } from './trail.js'
import { createWallet, routes } from './wallet.js'

/** One region of the wallet. Start it with `node --import otel-audit/register`; see the README. */
async function main(): Promise<void> {
  const config = walletConfig(await readConfig('WALLET_CONFIG_FILE'))
  const audit = SecretAuditService.fromEnv()
  const wallet = createWallet(config, audit)
  const host = process.env.WALLET_HOST ?? '127.0.0.1'
  const server = serve(routes(wallet), trailRoutes(audit, process.env))
  await runServer(server, `wallet ${config.region}`, host, portFromEnv())
}

main().catch((error: unknown) => fail('wallet', error))
