#!/usr/bin/env node
/**
 * `ui/types.d.ts`, the types of what the server tells: the schemas of its description (`crates/server/src/http/openapi.yaml`), and what each `GET` answers. Run
 * without arguments it writes them; the tests check that they are right. The pages use them in their comments, the server is held to the same schemas by its own tests.
 */
import {readFileSync, writeFileSync} from 'node:fs';
import {fileURLToPath} from 'node:url';
import {parse} from 'yaml';

const SOURCE = new URL('../../crates/server/src/http/openapi.yaml', import.meta.url), TARGET = new URL('../../ui/types.d.ts', import.meta.url);
const HEAD = `/**
 * What the server tells, from its description (crates/server/src/http/openapi.yaml): \`node tools/ui/api-types.mjs\` writes this file, and it is not packed.
 * What a go2rtc does not tell may be missing.
 */
`;
const TAIL = `
/** The same of one path; of others nothing is known. */
export type Answer<P extends string> = P extends keyof Answers ? Answers[P] : any;

export type EventName = keyof Events;

/** Those that are about a stream. */
export type StreamEventName = {[K in EventName]: Required<Events>[K] extends {stream: string} ? K : never}[EventName];

/** What an event tells, one of several. */
export type EventData<N extends EventName> = Required<Events>[N];
`;
const TYPES = {string: 'string', number: 'number', integer: 'number', boolean: 'boolean', null: 'null'};
/** What a schema may say here; what says more of a value than its type is in `SILENT`. */
const KNOWN = ['$ref', 'type', 'enum', 'const', 'oneOf', 'anyOf', 'items', 'required', 'properties', 'additionalProperties', 'description'];
const SILENT = ['format', 'contentEncoding', 'contentMediaType', 'contentSchema', 'minimum', 'maximum', 'maxLength', 'default', 'example'];

/** @param {string|undefined} text @param {string} indent */
const comment = (text, indent) => text ? `${indent}/** ${text.trim().replace(/\s+/g, ' ').replaceAll('*/', '*\\/')} */\n` : '';
const nameOf = (/** @type {string} */ key) => /^[A-Za-z_$][\w$]*$/.test(key) ? key : `'${key}'`;

/** The text of the types. @param {any} document */
export function types(document) {
    const {schemas} = document.components;

    /** @param {any} schema @param {string} indent @returns {string} */
    function type(schema, indent) {
        const strange = Object.keys(schema).filter(key => !KNOWN.includes(key) && !SILENT.includes(key));
        if (strange.length) throw new Error(`no types for ${strange}: ${JSON.stringify(schema)}`);
        if (schema.$ref) {
            const name = schema.$ref.replace(/^#\/components\/schemas\//, '');
            if (!Object.hasOwn(schemas, name)) throw new Error(`${schema.$ref} leads nowhere`);
            return name;
        }
        if (schema.enum) return schema.enum.map((/** @type {any} */ one) => JSON.stringify(one)).join(' | ').replaceAll('"', "'");
        if ('const' in schema) return JSON.stringify(schema.const).replaceAll('"', "'");
        const any = schema.oneOf ?? schema.anyOf;
        if (any) return any.map((/** @type {any} */ one) => type(one, indent)).join(' | ');
        return [schema.type].flat().map(one => {
            if (one === 'array') return listOf(type(schema.items, indent));
            if (one === 'object') return object(schema, indent);
            if (!Object.hasOwn(TYPES, one)) throw new Error(`no type for ${JSON.stringify(schema)}`);
            return TYPES[/** @type {keyof typeof TYPES} */ (one)];
        }).join(' | ');
    }

    /** @param {string} item */
    const listOf = item => item.includes(' | ') ? `(${item})[]` : `${item}[]`;

    /** @param {any} schema @param {string} indent */
    function object({properties = {}, required = [], additionalProperties: more}, indent) {
        const unknown = required.filter((/** @type {string} */ key) => !Object.hasOwn(properties, key));
        if (unknown.length) throw new Error(`required, but not described: ${unknown}`);
        const inner = `${indent}    `, lines = Object.entries(properties).map(([key, value]) =>
            `${comment(value.description, inner)}${inner}${nameOf(key)}${required.includes(key) ? '' : '?'}: ${type(value, inner)};\n`);
        if (more) lines.push(`${inner}[name: string]: ${more === true ? 'any' : type(more, inner)};\n`);
        return lines.length ? `{\n${lines.join('')}${indent}}` : 'Record<string, never>';
    }

    const all = Object.entries(schemas).map(([name, schema]) => `${comment(schema.description, '')}export type ${name} = ${type(schema, '')};\n`);
    const answers = Object.entries(document.paths).flatMap(([path, {get}]) => {
        if (get?.tags.includes('compatibility')) return [];
        const answer = get?.responses['200']?.$ref ? document.components.responses[get.responses['200'].$ref.split('/').at(-1)] : get?.responses['200'];
        const schema = answer?.content?.['application/json']?.schema;
        // Where it depends on the question, the first one is that of the plain call.
        return schema ? `${comment(get.summary, '    ')}    ${nameOf(path.slice(1))}: ${type(schema.oneOf?.[0] ?? schema, '    ')};\n` : [];
    });
    return `${HEAD}\n${all.join('\n')}\n/** What \`GET\` without a question answers, by its path. */\nexport type Answers = {\n${answers.join('')}};\n${TAIL}`;
}

/** As it should be, and as it is. */
export const expected = () => types(parse(readFileSync(SOURCE, 'utf8')));
export const written = () => readFileSync(TARGET, 'utf8');

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(TARGET, expected());
