import {
  type ChainHealth,
  type Chains,
  type ChainsOptions,
  type CountedChain,
  parseTrust,
  type StoredBlock,
  Trail,
} from 'otel-audit/query'
import type { Client } from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { BATCHES, type HonestTrail, honestTrail, ORIGIN, unguard } from '../cli/honest-trail.js'
import { connect } from '../support/database.js'
import { PATH, served } from './served.js'

const ROWS = BATCHES.reduce((sum, rows) => sum + rows)

let trail: HonestTrail
let owner: Client

beforeAll(async () => {
  trail = await honestTrail()
  owner = await connect(trail.database.url)
  await unguard(owner)
})

afterAll(async () => {
  await owner.end()
  await trail.database.drop()
})

/** The chains by what became of their writers. The server has one of its own, about the reads. */
async function chains(trust?: string): Promise<Record<keyof HonestTrail['chains'], ChainHealth | undefined>> {
  const { get } = await served(trail.database.url, {
    trust: trust === undefined ? undefined : parseTrust(trust),
  })
  const { status, body, text } = await get(`${PATH}/chains`)
  expect(status, text).toBe(200)
  const all = body['chains'] as ChainHealth[]
  const of = (id: string): ChainHealth | undefined => all.find((chain) => chain.chain_id === id)
  const { closed, idle, killed } = trail.chains
  return { closed: of(closed), idle: of(idle), killed: of(killed) }
}

async function whileBlocksSay(change: string, where: string, look: () => Promise<void>): Promise<void> {
  await owner.query(`create temp table before as select * from noetl.secret_audit_block where ${where}`)
  await owner.query(`update noetl.secret_audit_block set ${change} where ${where}`)
  try {
    await look()
  } finally {
    await owner.query(`delete from noetl.secret_audit_block b using before o
      where b.chain_id = o.chain_id and b.block_no = o.block_no`)
    await owner.query('insert into noetl.secret_audit_block select * from before')
    await owner.query('drop table before')
  }
}

test('each chain says who writes it, how much, and how it ended', async () => {
  const known = {
    log: ORIGIN,
    service_name: 'wallet',
    service_instance_id: 'i-1',
    rows: ROWS,
    lost: 0,
    last_block_time: expect.stringMatching(/^20\d\d-.*\.\d{6}Z$/),
    enrolled: null,
  }
  expect(await chains()).toEqual({
    closed: { ...known, chain_id: trail.chains.closed, state: 'closed', blocks: BATCHES.length + 2 },
    idle: { ...known, chain_id: trail.chains.idle, state: 'idle', blocks: BATCHES.length + 2 },
    killed: { ...known, chain_id: trail.chains.killed, state: 'live', blocks: BATCHES.length + 1 },
  })
})

test('a program reads them, and single blocks, without a server', async () => {
  const reader = new Trail({ databaseUrl: trail.database.url })
  try {
    const options: ChainsOptions = { trust: parseTrust(`origin ${ORIGIN}\n`) }
    const { chains, truncated }: Chains = await reader.chains({ limit: 1 }, options)
    expect([chains.length, truncated]).toEqual([1, true])
    const counted: Pick<CountedChain, 'chain_id' | 'last_block'> = {
      chain_id: trail.chains.closed,
      last_block: String(BATCHES.length + 1),
    }
    const block: StoredBlock | undefined = await reader.block(counted.chain_id, BigInt(counted.last_block))
    expect(block).toEqual({ log: ORIGIN, hash: expect.stringMatching(/^[0-9a-f]{64}$/) })
    expect(await reader.block(counted.chain_id, 1000n)).toBeUndefined()
  } finally {
    await reader.close()
  }
})

test('one that said nothing for two minutes, and was not closed, ended uncleanly', async () => {
  const { closed, killed } = trail.chains
  const age = 'block_time = block_time - 200000000'
  await whileBlocksSay(age, `chain_id in ('${closed}', '${killed}')`, async () => {
    const { closed, idle, killed } = await chains()
    expect([closed?.state, idle?.state, killed?.state]).toEqual(['closed', 'idle', 'unclean'])
  })
})

test('whether a chain is enrolled is held against the trust file', async () => {
  const right = `origin ${ORIGIN}\nenrolment ${trail.verifierKey}\n`
  expect(await chains(right)).toMatchObject({ closed: { enrolled: true }, killed: { enrolled: true } })
  expect(await chains(right.replace(ORIGIN, 'somebody/else'))).toMatchObject({ closed: { enrolled: false } })
  const { closed } = trail.chains
  const genesis = `chain_id = '${closed}' and block_no = 0`
  for (const change of [
    `signatures = regexp_replace(signatures, '— [^ ]*/enrolment [^\\n]*\\n', '')`,
    `body = replace(body, '"wallet"', '"wallet2"')`,
    'root = prev_hash',
  ]) {
    await whileBlocksSay(change, genesis, async () => {
      expect(await chains(right), change).toMatchObject({
        closed: { enrolled: false },
        idle: { enrolled: true },
      })
    })
  }
})

test('a chain of another trail than the one of the trust file, or else of the store, is not enrolled', async () => {
  const right = `origin ${ORIGIN}\nenrolment ${trail.verifierKey}\n`
  const all = (enrolled: boolean): object => ({
    closed: { enrolled },
    idle: { enrolled },
    killed: { enrolled },
  })
  const { rows } = await owner.query<{ trail: string }>('select trail from noetl.secret_audit_trail')
  expect(await chains(`${right}trail ${rows[0]?.trail}\n`)).toMatchObject(all(true))
  await owner.query(`update noetl.secret_audit_trail set trail = repeat('0', 32)`)
  try {
    expect(await chains(right)).toMatchObject(all(false))
  } finally {
    await owner.query('update noetl.secret_audit_trail set trail = $1', [rows[0]?.trail])
  }
})

test('what no writer has written is shown as what is known, and is no error', async () => {
  const { idle } = trail.chains
  for (const change of ["body = 'nonsense'", "signatures = ''", 'block_time = 9223372036854775807']) {
    await whileBlocksSay(change, `chain_id = '${idle}'`, async () => {
      const found = (await chains()).idle
      expect(found, change).toMatchObject({ chain_id: idle, rows: ROWS })
      if (change.startsWith('block_time')) expect(found?.last_block_time).toBeNull()
      expect(found?.service_name, change).toBeNull()
    })
  }
})

test('no more than asked for, the one that said something last first', async () => {
  const { get } = await served(trail.database.url)
  const { body } = await get(`${PATH}/chains?limit=2`)
  expect(body).toMatchObject({ truncated: true })
  const times = (body['chains'] as ChainHealth[]).map((chain) => chain.last_block_time ?? '')
  expect(times).toHaveLength(2)
  expect(times.toSorted().toReversed()).toEqual(times)
  expect((await get(`${PATH}/chains`)).body).toMatchObject({ truncated: false })
})
