// Takes every branch of the wallet once, then sends ordinary traffic until it is stopped.
import { createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { WalletClient } from '../../build/examples/wallet/demo/client.js'
import { ordinary, Traffic } from '../../build/examples/wallet/demo/traffic.js'
import { readClient } from './state.mjs'

const url = process.env.WALLET_URL ?? 'http://wallet-eu-central:8080'
const pause = Number(process.env.TRAFFIC_PAUSE_MS ?? 500)

// The region that accepts connections and never answers.
createServer((socket) => socket.on('error', () => {})).listen(Number(process.env.SILENT_PORT ?? 9009))

const traffic = new Traffic({ euCentral: { url } }, new WalletClient(await readClient()))
for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => process.exit(0))

await traffic.takeAll(0, (done, all) => {
  if (done === all) console.log(`all ${all} branches taken`)
})
for (;;) {
  const { branch, reply } = await traffic.take(ordinary())
  console.log(`${reply.status}  ${branch.surface}  ${branch.credential}`)
  await sleep(pause)
}
