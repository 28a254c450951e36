// Reads a secret by each of the clients there are; it has not one line about audit.
import { once } from 'node:events'
import http from 'node:http'
import https from 'node:https'
import { text } from 'node:stream/consumers'
import { DecryptCommand, EncryptCommand, KMSClient } from '@aws-sdk/client-kms'
import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import { GetParameterCommand, SSMClient } from '@aws-sdk/client-ssm'
import nodeVault from 'node-vault'

const { VAULT_ADDR = '', VAULT_TOKEN = '', KMS_KEY = '', ALLOW_H2 = '' } = process.env
const headers = { 'x-vault-token': VAULT_TOKEN }
const urlOf = (name) => `${VAULT_ADDR}/v1/secret/data/${name}`

function passwordIn(status, body) {
  if (status !== 200) throw Object.assign(new Error('refused'), { name: 'Refused', code: status })
  return JSON.parse(body).data.data.password
}

async function byUndici({ request, Agent }, name) {
  // HTTP/2 is what version 8 asks for by itself.
  const dispatcher = ALLOW_H2 === '' ? undefined : new Agent({ allowH2: true })
  const { statusCode, body } = await request(urlOf(name), { headers, dispatcher })
  return passwordIn(statusCode, await body.text())
}

export const routes = {
  async 'secrets-manager'(name) {
    const client = new SecretsManagerClient()
    return (await client.send(new GetSecretValueCommand({ SecretId: name }))).SecretString
  },
  async ssm(name) {
    const input = { Name: name === 'orders-db' ? '/orders/db' : name, WithDecryption: true }
    return (await new SSMClient().send(new GetParameterCommand(input))).Parameter.Value
  },
  async kms(name) {
    const client = new KMSClient()
    const Plaintext = Buffer.from(process.env.PLAINTEXT ?? 'nothing')
    const { CiphertextBlob } = await client.send(new EncryptCommand({ KeyId: KMS_KEY, Plaintext }))
    const KeyId = name === 'orders-db' ? KMS_KEY : name
    const found = await client.send(new DecryptCommand({ KeyId, CiphertextBlob }))
    return Buffer.from(found.Plaintext).toString()
  },
  async 'node-vault'(name) {
    return (await nodeVault().read(`secret/data/${name}`)).data.data.password
  },
  async fetch(name) {
    const response = await fetch(urlOf(name), { headers })
    return passwordIn(response.status, await response.text())
  },
  'undici-6': async (name) => byUndici(await import('undici-6'), name),
  'undici-7': async (name) => byUndici(await import('undici-7'), name),
  'undici-8': async (name) => byUndici(await import('undici-8'), name),
  async http(name) {
    const { get } = VAULT_ADDR.startsWith('https:') ? https : http
    const [response] = await once(get(urlOf(name), { headers }), 'response')
    return passwordIn(response.statusCode, await text(response))
  },
}
