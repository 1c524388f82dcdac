"use strict";
// One page, no library. Whatever the server says is set as text, never as markup.

const at = (id) => document.getElementById(id);
const picked = []; // {item_id, title}, oldest first
let found = new Map(); // what the search box offers: label → item

function made(tag, text = "", name = "") {
  const element = document.createElement(tag);
  element.textContent = text;
  if (name) element.className = name;
  return element;
}

async function ask(path, options = {}) {
  const key = at("key").value;
  const headers = { ...(key ? { "X-API-Key": key } : {}), ...(options.headers || {}) };
  const answer = await fetch(path, { ...options, headers });
  if (answer.status === 401) at("key-field").hidden = false;
  if (!answer.ok) {
    const told = await answer.json().catch(() => ({ error: { message: `the server says ${answer.status}` } }));
    throw Object.assign(new Error(told.error.message), { code: told.error.code });
  }
  return answer;
}

async function list(variant) {
  const user = at("user").value.trim();
  const body = { k: Number(at("places").value), variant };
  if (user) body.user_id = user;
  if (picked.length || !user) body.history = picked.map((item) => item.item_id);
  const headers = { "Content-Type": "application/json" };
  return (await ask("/v1/recommendations", { method: "POST", headers, body: JSON.stringify(body) })).json();
}

async function picture(path) {
  const image = made("img");
  image.alt = "";
  const answer = await ask(path); // an <img> cannot send a key
  image.src = URL.createObjectURL(await answer.blob());
  return image;
}

function age(seconds) {
  if (seconds === null) return "";
  const steps = [[86400, "d"], [3600, "h"], [60, "min"]];
  const [size, unit] = steps.find(([size]) => Math.abs(seconds) >= 2 * size) || [1, "s"];
  return `, ${Math.round(seconds / size).toLocaleString()} ${unit} old`;
}

function facts(answer) {
  const { model, features } = answer;
  const from = { online: "the user's events", request: "the items picked", none: "no events" }[features.source];
  const told = [`version ${model.version}`, model.arm, model.bundle.slice(0, 12)];
  return `${told.join(" · ")} · from ${from}${age(features.age_seconds)}`;
}

function notes(answer) {
  const told = [];
  if (answer.features.stale) told.push("The features are stale.");
  if (answer.fallback) told.push("No history is known: this is the list for nobody in particular.");
  if (answer.unknown_items.length) told.push(`Not known to this version: ${answer.unknown_items.join(", ")}`);
  return told;
}

function row(item, other, hasPictures) {
  const line = made("li", "", hasPictures ? "" : "bare");
  line.append(made("span", String(item.rank), "rank"));
  const place = made("span");
  if (hasPictures) line.append(place);
  if (item.image) {
    picture(item.image).then((image) => place.replaceWith(image)).catch(() => {});
  }
  line.append(made("span", item.title, other.has(item.item_id) ? "shared" : ""));
  line.append(made("span", item.score.toFixed(3), "score"));
  return line;
}

function draw(section, name, answer, other) {
  section.replaceChildren();
  if (!answer) return;
  section.append(made("h2", name), made("p", facts(answer), "facts"));
  for (const told of notes(answer)) section.append(made("p", told, "note"));
  const places = made("ol");
  const ids = new Set((other ? other.items : []).map((item) => item.item_id));
  const hasPictures = answer.items.some((item) => item.image);
  for (const item of answer.items) places.append(row(item, ids, hasPictures));
  section.append(places);
}

async function show(event) {
  if (event) event.preventDefault();
  at("fault").textContent = "";
  try {
    const champion = await list("champion");
    const challenger = await list("challenger").catch((error) => {
      if (error.code !== "no_challenger") throw error;
      return null;
    });
    draw(at("champion"), "Champion", champion, challenger);
    draw(at("challenger"), "Challenger", challenger, champion);
  } catch (error) {
    at("fault").textContent = error.message;
  }
}

function drawPicked() {
  at("history").replaceChildren(
    ...picked.map((item, place) => {
      const button = made("button", `${item.title} ×`);
      button.type = "button";
      button.addEventListener("click", () => { picked.splice(place, 1); drawPicked(); });
      const line = made("li");
      line.append(button);
      return line;
    }),
  );
}

async function search() {
  const text = at("search").value;
  if (found.has(text)) {
    picked.push(found.get(text));
    at("search").value = "";
    at("user").value = "";
    drawPicked();
    return;
  }
  if (text.length < 2) return;
  try {
    const { items } = await (await ask(`/v1/items?query=${encodeURIComponent(text)}`)).json();
    found = new Map(items.map((item) => [`${item.title} (${item.item_id})`, item]));
    at("found").replaceChildren(
      ...[...found.keys()].map((label) => Object.assign(made("option"), { value: label })),
    );
  } catch (error) {
    at("fault").textContent = error.message;
  }
}

async function state() {
  const told = await (await fetch("/ready")).json(); // 503 with the same content while nothing is loaded
  const of = (one) => (one && one.serving ? `version ${one.serving}` : "none");
  at("state").textContent = `${told.model}: champion ${of(told.champion)}, challenger ${of(told.challenger)}`;
  if (told.champion.problem) at("fault").textContent = told.champion.problem;
}

at("ask").addEventListener("submit", show);
at("search").addEventListener("input", search);
state().catch((error) => { at("fault").textContent = error.message; });
