// Reads a secret of a Vault by what applications ask over HTTP with; it has not one line about audit.
import { AwsClient } from 'aws4fetch'
import axios from 'axios'
import got from 'got'
import ky from 'ky'
import needle from 'needle'
import nodeFetch from 'node-fetch'
import superagent from 'superagent'
import { serve } from './serving.mjs'

const { VAULT_ADDR = '', VAULT_TOKEN = '', AWS_ENDPOINT_URL = '', AWS_REGION = '' } = process.env
const headers = { 'x-vault-token': VAULT_TOKEN }
const urlOf = (name) => `${VAULT_ADDR}/v1/secret/data/${name}`
const passwordIn = ({ data }) => data.data.password

function refused(status) {
  return Object.assign(new Error('refused'), { name: 'Refused', code: status })
}

serve({
  axios: async (name) => passwordIn((await axios.get(urlOf(name), { headers })).data),
  got: async (name) => passwordIn(await got(urlOf(name), { headers }).json()),
  superagent: async (name) => passwordIn((await superagent.get(urlOf(name)).set(headers)).body),
  async needle(name) {
    const { statusCode, body } = await needle('get', urlOf(name), { headers, json: true })
    if (statusCode !== 200) throw refused(statusCode)
    return passwordIn(body)
  },
  async 'node-fetch'(name) {
    const response = await nodeFetch(urlOf(name), { headers })
    if (!response.ok) throw refused(response.status)
    return passwordIn(await response.json())
  },
  ky: async (name) => passwordIn(await ky.get(urlOf(name), { headers }).json()),
  async aws4fetch(name) {
    const client = new AwsClient({
      accessKeyId: process.env.AWS_ACCESS_KEY_ID,
      secretAccessKey: process.env.AWS_SECRET_ACCESS_KEY,
      region: AWS_REGION,
      service: 'secretsmanager',
    })
    const response = await client.fetch(`${AWS_ENDPOINT_URL}/`, {
      method: 'POST',
      headers: {
        'content-type': 'application/x-amz-json-1.1',
        'x-amz-target': 'secretsmanager.GetSecretValue',
      },
      body: JSON.stringify({ SecretId: name }),
    })
    if (!response.ok) throw refused(response.status)
    return (await response.json()).SecretString
  },
})
