// The URL of the trail comes from a Vault that is audited itself.
import { createAudit } from 'otel-audit'

const headers = { 'x-vault-token': process.env.VAULT_TOKEN }
const read = async (name) => {
  const answer = await fetch(`${process.env.VAULT_ADDR}/v1/secret/data/${name}`, { headers })
  return (await answer.json()).data.data.password
}

const audit = createAudit({
  async databaseUrl() {
    await read('trail')
    return process.env.TRAIL_URL
  },
  strict: true,
  instrument: 'on',
})
await audit.start()
console.log(`${(await read('orders-db')).length} characters`)
await audit.close()
