import { createPrivateKey, createPublicKey } from 'node:crypto'
import { readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

// What configure.mjs leaves for the services and for traffic.mjs, in a volume that only they see: keys, tokens and
// secrets, made anew for each installation.

export const DIRECTORY = process.env.WALLET_STATE_DIRECTORY ?? '/run/wallet'

export function pathOf(name) {
  return join(DIRECTORY, `${name}.json`)
}

/** Whole or not at all: a service that starts meanwhile never reads half of it. */
export async function writeState(name, value) {
  const path = pathOf(name)
  await writeFile(`${path}.new`, JSON.stringify(value), { mode: 0o600 })
  await rename(`${path}.new`, path)
}

/** What a client needs. `worker` holds the keys of a worker that has envelopes sealed for it. */
export function writeClient({ canary, callerToken, peerToken, worker }) {
  const key = worker.privateKey.export({ format: 'jwk' })
  return writeState('client', { canary, callerToken, peerToken, key })
}

export async function readClient() {
  const { key, ...client } = JSON.parse(await readFile(pathOf('client'), 'utf8'))
  const privateKey = createPrivateKey({ key, format: 'jwk' })
  return { ...client, worker: { privateKey, publicKey: createPublicKey(privateKey) } }
}
