import { afterAll, beforeAll, expect, it } from 'vitest'
import { branches } from '../../../examples/wallet/demo/branches.js'
import { formIn } from '../../../examples/wallet/demo/canary.js'
import { WalletClient } from '../../../examples/wallet/demo/client.js'
import { Traffic } from '../../../examples/wallet/demo/traffic.js'
import { ofExecution, readTrail } from '../../../examples/wallet/demo/trail.js'
import { emptyDatabase, type TestDatabase } from '../../support/database.js'
import { type StageWithDatabase, stageOver } from './staged.js'
import { waitUntil } from './wait-until.js'

const PATH = '/api/internal/secret-audit'

let testDatabase: TestDatabase
let stage: StageWithDatabase

beforeAll(async () => {
  testDatabase = await emptyDatabase()
  stage = await stageOver(testDatabase.url)
})

afterAll(async () => {
  await stage?.close()
  await testDatabase?.drop()
})

const stored = () => readTrail(testDatabase.url, stage.instances)

/** Without the rows about reads that were refused. */
const answered = async () => (await stored()).filter(({ outcome }) => outcome !== 'unauthenticated')

function read(path: string, token: string | undefined, url = stage.euCentral.url): Promise<Response> {
  return fetch(`${url}${PATH}${path}`, {
    headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
  })
}

it('each region shows the trail at the path of the original: what every access left, and nothing of a secret', async () => {
  const traffic = new Traffic(stage, new WalletClient(stage.fixture))
  const [branch] = branches.filter(({ events }) => events.length === 2)
  if (branch === undefined) throw new Error('no branch crosses regions')
  const { executionId } = await traffic.take(branch)
  await waitUntil('its rows', async () => ofExecution(await stored(), executionId).length === 2)
  for (const { url } of [stage.euCentral, stage.usEast]) {
    const response = await read(`?execution_id=${executionId}`, stage.trailToken, url)
    expect(response.status).toBe(200)
    const text = await response.text()
    const { rows } = JSON.parse(text) as { rows: { audit_id: string; credential: string }[] }
    const expected = ofExecution(await stored(), executionId).map(({ audit_id }) => audit_id)
    expect(rows.map(({ audit_id }) => audit_id)).toEqual(expected.toReversed())
    expect(formIn(text, stage.fixture.canary)).toBeUndefined()
  }
  const one = await read(`/summary?credential=${branch.credential}`, stage.trailToken)
  expect(await one.json()).toMatchObject({ groups: [{ value: branch.credential, accesses: 2 }] })
})

it('a read is no access to a credential: it leaves its own row, and none of the four operations', async () => {
  const before = await stored()
  expect((await read('?limit=1', stage.trailToken)).status).toBe(200)
  const ids = new Set(before.map(({ audit_id }) => audit_id))
  const added = (await stored()).filter(({ audit_id }) => !ids.has(audit_id))
  expect(added).toMatchObject([
    { operation: 'query_trail', outcome: 'ok', service_name: 'wallet-eu-central', execution_id: null },
  ])
})

it('it is for holders of the internal token: no other one of the wallet’s opens it', async () => {
  const before = (await answered()).length
  expect((await read('', undefined)).status).toBe(401)
  const { callerToken, peerToken } = stage.fixture
  for (const token of [callerToken, peerToken]) expect((await read('', token)).status).toBe(403)
  expect((await read('x', stage.trailToken)).status).toBe(404)
  expect((await fetch(`${stage.provider.url}${PATH}`)).status).toBe(404)
  expect(await answered()).toHaveLength(before)
})
