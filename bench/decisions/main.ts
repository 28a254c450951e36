import { startPostgres } from '../../test/support/postgres/server.js'
import { compareHeads } from './chain-heads.js'
import { compareInserts } from './row-insert.js'
import { signatureCost } from './signature.js'

// The numbers of docs/decisions that no other benchmark prints: `npm run build && node build/bench/decisions/main.js`.

const COMMIT_DELAY_US = 1000
const HEAD_SECONDS = 5
const SIZES = [1, 64, 512]
const ROUNDS = 200
const CALLS = 5000

async function main(): Promise<void> {
  const { key, signature, hash, hmac } = signatureCost(CALLS)
  console.log(
    `Ed25519: ${key.toFixed(0)} µs a key, ${signature.toFixed(0)} µs a signature; SHA-256 ${hash.toFixed(1)} µs, HMAC ${hmac.toFixed(1)} µs`,
  )

  const quick = await startPostgres()
  try {
    for (const { rows, way, ms, clientUs } of await compareInserts(quick, SIZES, ROUNDS)) {
      console.log(
        `${String(rows).padStart(3)} rows, ${way.padEnd(6)}: ${ms.toFixed(2)} ms a statement, ${clientUs.toFixed(1)} µs a row of this process`,
      )
    }
  } finally {
    await quick.close()
  }

  const slow = await startPostgres({
    settings: { max_connections: '100', commit_delay: String(COMMIT_DELAY_US), commit_siblings: '0' },
  })
  try {
    const { one, each } = await compareHeads(slow, HEAD_SECONDS)
    console.log(
      `64 writers, flushes 1 ms longer: ${one.toFixed(0)} blocks a second with one head, ${each.toFixed(0)} with one each`,
    )
  } finally {
    await slow.close()
  }
}

main().catch((error: unknown) => {
  console.error(`decisions: ${error instanceof Error ? error.message : String(error)}`)
  process.exitCode = 1
})
