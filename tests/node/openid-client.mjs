// npm openid-client as a client of any authorization server, which it knows by discovery alone.
//
// The job is one JSON value: the first argument, or else the first line of standard input.
//   issuer      required; `discovery` is "oauth2" (RFC 8414, the default) or "oidc"
//   client      {client_id, auth, client_secret | key} with auth one of none, client_secret_basic, client_secret_post,
//               private_key_jwt (`key`: private JWK), and what else is client metadata; or the same with `register`,
//               the metadata to register (RFC 7591), in place of client_id
//   dpop        true for a fresh ES256 key, or a private JWK
//   steps       run one after the other; without them, each further line of standard input is a step
//
// A step is {"do": name, …}. What it may have: `parameters` of the request; `clock_skew_seconds` of everything signed;
// `assertion` and `proof`, claims to change in the client assertion and in the DPoP proof (null takes one out);
// `dpop`: false for none, "another" for one with a different key. A string "$access_token" stands for a member of the
// last token response, "$dpop_jkt" for the thumbprint of the key, and "$userinfo_endpoint" for the server's metadata.
//
// Standard output has JSON lines: first {"ready": {server, client, dpop_jkt}}, then for each step any number of events
//   {"open": URL}        a browser must go there; wants {"redirect": URL} on standard input
//   {"device": {…}}      the device authorization response; polling has begun
//   {"polled": error}    a poll of the device flow was answered so
// and at last {"result": …, "requests": […]} or {"error": {…}, "requests": […]}. An error ends a job that has steps.
import { createInterface } from 'node:readline';
import * as openid from 'openid-client';

const say = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const read = async () => {
  const { value, done } = await lines.next();
  return done ? undefined : JSON.parse(value);
};

const job = process.argv[2] ? JSON.parse(process.argv[2]) : await read();
let tokens = {};
let step = {};
let requests = [];

const ALGORITHMS = {
  'P-256': { name: 'ECDSA', namedCurve: 'P-256' },
  'P-384': { name: 'ECDSA', namedCurve: 'P-384' },
  Ed25519: { name: 'Ed25519' },
};
const RSA = { RS256: 'RSASSA-PKCS1-v1_5', PS256: 'RSA-PSS' };

const importKey = (jwk, usage) => {
  const algorithm = jwk.kty === 'RSA' ? { name: RSA[jwk.alg ?? 'RS256'], hash: 'SHA-256' } : ALGORITHMS[jwk.crv];
  const { use, key_ops: operations, alg, ...key } = jwk;
  return crypto.subtle.importKey('jwk', key, algorithm, true, [usage]);
};
const importKeyPair = async (jwk) => {
  const { d, p, q, dp, dq, qi, ...publicJwk } = jwk;
  return { privateKey: await importKey(jwk, 'sign'), publicKey: await importKey(publicJwk, 'verify') };
};

// Claims of time follow the clock that the test set, and `changes` of the running step win over all.
const change = (which) => ({
  [openid.modifyAssertion]: (header, claims) => {
    for (const name of ['iat', 'nbf', 'exp']) if (name in claims) claims[name] += step.clock_skew_seconds ?? 0;
    Object.assign(claims, step[which]);
    for (const [name, value] of Object.entries(claims)) if (value === null) delete claims[name];
  },
});

const authentication = async ({ auth = 'none', client_secret: secret, key }) => ({
  none: () => openid.None(),
  client_secret_basic: () => openid.ClientSecretBasic(secret),
  client_secret_post: () => openid.ClientSecretPost(secret),
  private_key_jwt: async () => openid.PrivateKeyJwt(
    { key: await importKey(key, 'sign'), kid: key.kid },
    change('assertion'),
  ),
})[auth]();

const recordingFetch = async (url, options) => {
  const sent = new Headers(options.headers);
  const request = { method: options.method, url: String(url), dpop: sent.has('dpop') };
  requests.push(request);
  const response = await fetch(url, options);
  request.status = response.status;
  request.dpop_nonce = response.headers.get('dpop-nonce');
  const isJson = response.headers.get('content-type')?.includes('json');
  if (response.status >= 400 && isJson) request.error = (await response.clone().json()).error;
  if (step.do === 'device' && request.error) say({ polled: request.error });
  return response;
};

const open = async () => {
  const { register, auth, client_secret: secret, key, client_id: id, ...metadata } = job.client;
  const options = {
    algorithm: job.discovery ?? 'oauth2',
    execute: [openid.allowInsecureRequests],
    [openid.customFetch]: recordingFetch,
  };
  const issuer = new URL(job.issuer);
  const method = register
    ? await authentication({ ...job.client, client_secret: undefined })
    : await authentication(job.client);
  const config = register
    ? await openid.dynamicClientRegistration(issuer, register, method, options)
    : await openid.discovery(issuer, id, { ...metadata, client_secret: secret }, method, options);
  if (config.serverMetadata().jwks_uri) openid.enableNonRepudiationChecks(config);
  return config;
};

const keyPairFor = (dpop) => (dpop === true
  ? openid.randomDPoPKeyPair('ES256', { extractable: true })
  : importKeyPair(dpop));

let config;
let bound;
let another;
let thumbprint;

// The key that this step proves to have. A key keeps the nonces it was given, as a real client does.
const dpop = async () => {
  if (step.dpop === false) return {};
  if (step.dpop === 'another') {
    another ??= openid.getDPoPHandle(config, await keyPairFor(true), change('proof'));
    return { DPoP: another };
  }
  return { DPoP: bound };
};

const filled = (value) => {
  if (typeof value === 'string' && value.startsWith('$')) {
    const name = value.slice(1);
    if (name === 'dpop_jkt') return thumbprint;
    return tokens[name] ?? config.serverMetadata()[name];
  }
  return value;
};
const parametersOf = (values = {}) => {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    for (const one of [value].flat()) parameters.append(name, filled(one));
  }
  return parameters;
};

const keep = (response) => {
  tokens = response;
  return response;
};

const steps = {
  // Authorization code with PKCE (S256), pushed (RFC 9126) with `par`. `token_parameters` go into the token request.
  authorize: async ({ parameters, redirect_uri: redirectUri, par, token_parameters: more }) => {
    const verifier = openid.randomPKCECodeVerifier();
    const state = openid.randomState();
    const asked = parametersOf(parameters);
    asked.set('redirect_uri', redirectUri);
    asked.set('state', state);
    asked.set('code_challenge', await openid.calculatePKCECodeChallenge(verifier));
    asked.set('code_challenge_method', 'S256');
    const nonce = asked.get('scope')?.split(' ').includes('openid') ? openid.randomNonce() : undefined;
    if (nonce) asked.set('nonce', nonce);
    const url = par
      ? await openid.buildAuthorizationUrlWithPAR(config, asked, await dpop())
      : openid.buildAuthorizationUrl(config, asked);
    say({ open: url.href });
    const { redirect } = await read();
    const checks = { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce };
    const inToken = parametersOf(more ?? (parameters?.resource ? { resource: parameters.resource } : {}));
    return keep(await openid.authorizationCodeGrant(config, new URL(redirect), checks, inToken, await dpop()));
  },

  client_credentials: async ({ parameters }) => keep(
    await openid.clientCredentialsGrant(config, parametersOf(parameters), await dpop()),
  ),

  // `interval_seconds` is how long to wait between polls, if not as long as the server says.
  device: async ({ parameters, interval_seconds: interval, token_parameters: more }) => {
    const response = await openid.initiateDeviceAuthorization(config, parametersOf(parameters));
    say({ device: response });
    const polled = { ...response, interval: interval ?? response.interval };
    return keep(await openid.pollDeviceAuthorizationGrant(config, polled, parametersOf(more), await dpop()));
  },

  refresh: async ({ token = '$refresh_token', parameters }) => {
    const response = await openid.refreshTokenGrant(config, filled(token), parametersOf(parameters), await dpop());
    tokens = { ...tokens, ...response };
    return response;
  },

  // Any grant by its name, such as token exchange (RFC 8693). Its tokens don't become those that "$…" stands for.
  grant: async ({ grant_type: grantType, parameters }) => (
    openid.genericGrantRequest(config, grantType, parametersOf(parameters), await dpop())
  ),

  introspect: async ({ token = '$access_token', parameters }) => (
    openid.tokenIntrospection(config, filled(token), parametersOf(parameters))
  ),

  revoke: async ({ token = '$access_token', parameters }) => {
    await openid.tokenRevocation(config, filled(token), parametersOf(parameters));
    return {};
  },

  // A request to a protected resource: Bearer, or DPoP when there is a key. 401 with a challenge is an error.
  resource: async ({ url, method = 'GET', headers, body, token = '$access_token' }) => {
    const response = await openid.fetchProtectedResource(
      config, filled(token), new URL(filled(url)), method, body, new Headers(headers), await dpop(),
    );
    return { status: response.status, headers: Object.fromEntries(response.headers), body: await response.text() };
  },
};

const told = (error) => ({
  name: error.name,
  message: error.message,
  code: error.code,
  status: error.status,
  error: error.error,
  error_description: error.error_description,
  challenges: error.code === 'OAUTH_WWW_AUTHENTICATE_CHALLENGE' ? error.cause : undefined,
  cause: error.cause?.message,
});

const attempt = async (name, work) => {
  requests = [];
  try {
    say({ [name]: await work(), requests });
    return true;
  } catch (error) {
    say({ error: told(error), requests });
    return false;
  }
};

const ready = await attempt('ready', async () => {
  config = await open();
  if (job.dpop) bound = openid.getDPoPHandle(config, await keyPairFor(job.dpop), change('proof'));
  thumbprint = await bound?.calculateThumbprint();
  return { server: config.serverMetadata(), client: config.clientMetadata(), dpop_jkt: thumbprint };
});
const next = job.steps ? () => job.steps.shift() : read;
while (ready) {
  step = await next();
  if (step === undefined) break;
  const done = await attempt('result', () => steps[step.do](step));
  if (!done && job.steps) {
    process.exitCode = 1;
    break;
  }
}
if (!ready) process.exitCode = 1;
process.stdin.destroy();
