// A service that reads a secret by each of the clients there are; it has not one line about audit. `/<route>` reads one.
import { once } from 'node:events'
import http from 'node:http'
import { text } from 'node:stream/consumers'
import { DecryptCommand, EncryptCommand, KMSClient } from '@aws-sdk/client-kms'
import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import { GetParameterCommand, SSMClient } from '@aws-sdk/client-ssm'
import nodeVault from 'node-vault'

const { VAULT_ADDR = '', VAULT_TOKEN = '', KMS_KEY = '' } = process.env
const headers = { 'x-vault-token': VAULT_TOKEN }
const url = `${VAULT_ADDR}/v1/secret/data/orders-db`
const passwordIn = (text) => JSON.parse(text).data.data.password

const routes = {
  async 'secrets-manager'() {
    const client = new SecretsManagerClient()
    return (await client.send(new GetSecretValueCommand({ SecretId: 'orders-db' }))).SecretString
  },
  async ssm() {
    const input = { Name: '/orders/db', WithDecryption: true }
    return (await new SSMClient().send(new GetParameterCommand(input))).Parameter.Value
  },
  async kms() {
    const client = new KMSClient()
    const Plaintext = Buffer.from(process.env.PLAINTEXT ?? 'nothing')
    const { CiphertextBlob } = await client.send(new EncryptCommand({ KeyId: KMS_KEY, Plaintext }))
    const found = await client.send(new DecryptCommand({ KeyId: KMS_KEY, CiphertextBlob }))
    return Buffer.from(found.Plaintext).toString()
  },
  async 'node-vault'() {
    return (await nodeVault().read('secret/data/orders-db')).data.data.password
  },
  async fetch() {
    return passwordIn(await (await fetch(url, { headers })).text())
  },
  async 'undici-7'() {
    const { request } = await import('undici-7')
    return passwordIn(await (await request(url, { headers })).body.text())
  },
  async 'undici-8'() {
    const { request } = await import('undici-8')
    return passwordIn(await (await request(url, { headers })).body.text())
  },
  async http() {
    const [response] = await once(http.get(url, { headers }), 'response')
    return passwordIn(await text(response))
  },
}

const server = http.createServer((request, response) => void answer(request, response))

async function answer(request, response) {
  try {
    const secret = await routes[request.url.slice(1)]()
    response.end(`${secret.length} characters`)
  } catch (error) {
    const codes = [error, error.cause].map((one) => one?.code ?? one?.name).filter(Boolean)
    response.writeHead(503).end(codes.join(' '))
  }
}

server.listen(0, () => console.log(`listening ${server.address().port}`))
process.once('SIGTERM', () => server.close())
