// The AWS SDK for JavaScript: reads one call per line from stdin, writes its reply as one line to stdout.
// Run it in the folder that holds `node_modules`; regions, keys and endpoints come from the environment.
import { readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const require = createRequire(`${process.cwd()}/`);
const sagemaker = require("@aws-sdk/client-sagemaker");
const s3 = require("@aws-sdk/client-s3");

const client = new sagemaker.SageMakerClient({ maxAttempts: 1 });
const store = new s3.S3Client({ forcePathStyle: true });

async function upload({ Bucket, Key, File }) {
  await store.send(new s3.PutObjectCommand({ Bucket, Key, Body: await readFile(File) }));
}

async function download({ Bucket, Key, File }) {
  const reply = await store.send(new s3.GetObjectCommand({ Bucket, Key }));
  await writeFile(File, await reply.Body.transformToByteArray());
}

async function answer(operation, request) {
  if (operation === "Version") {
    return { version: require("@aws-sdk/client-sagemaker/package.json").version };
  }
  if (operation === "Upload") return upload(request);
  if (operation === "Download") return download(request);
  return client.send(new sagemaker[`${operation}Command`](request));
}

for await (const line of createInterface({ input: process.stdin })) {
  const { Operation, Request } = JSON.parse(line);
  let said;
  try {
    said = { reply: (await answer(Operation, Request)) ?? null };
  } catch (error) {
    const { name: code, message } = error;
    said = { error: { type: error.constructor.name, code, message } };
  }
  process.stdout.write(`${JSON.stringify(said)}\n`);
}
