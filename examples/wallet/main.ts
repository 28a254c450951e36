import { SecretAuditService } from 'otel-audit'
import { portFromEnv, readConfig, walletConfig } from './config.js'
import { serve } from './http.js'
import { fail, runServer } from './lifecycle.js'
import { createWallet, routes } from './wallet.js'

/** One region of the wallet. Start it with `node --import otel-audit/register`; see the README. */
async function main(): Promise<void> {
  const config = walletConfig(await readConfig('WALLET_CONFIG_FILE'))
  const wallet = createWallet(config, SecretAuditService.fromEnv())
  const host = process.env.WALLET_HOST ?? '127.0.0.1'
  await runServer(serve(routes(wallet)), `wallet ${config.region}`, host, portFromEnv())
}

main().catch((error: unknown) => fail('wallet', error))
