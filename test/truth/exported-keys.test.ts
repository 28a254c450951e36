import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { newChain } from '../../src/chain/chain-key.js'
import { chainIdOf } from '../../src/chain/block.js'
import { packageRoot } from '../support/postgres/package-root.js'

// Node 20 keeps a key locked while it exports it as a JWK. When garbage is collected at that moment, and the job that made the
// key is part of it, the thread waits for its own lock, for ever. With a young generation of 1 MB it stood still after some
// ten thousand keys (30 November 2026; Node 22 does not), so nothing short of reading the sources shows it reliably.
test('no key is exported as a JWK, which may stop Node 20 for good', () => {
  const sources = ['src', 'examples'].flatMap((folder) =>
    readdirSync(join(packageRoot(), folder), { recursive: true, encoding: 'utf8' })
      .filter((file) => /\.(ts|cts|mjs)$/.test(file) && !file.includes('node_modules'))
      .map((file) => join(packageRoot(), folder, file)),
  )
  expect(sources.length).toBeGreaterThan(300)
  const exporting = sources.filter((file) => /\.export\(\{[^}]*jwk/.test(readFileSync(file, 'utf8')))
  expect(exporting).toEqual([])
})

test('a chain is called after the key that begins it', () => {
  const { id, signer } = newChain('otel-audit/wallet')
  expect(id).toBe(chainIdOf(signer.key.publicKey))
})
