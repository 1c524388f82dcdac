// A browser starts no worker for a page that was opened from a folder, and search asks for one: there it runs in a frame.
if (location.protocol === "file:") {
  const inside =
    "<script>" +
    "function postMessage(data) { parent.postMessage(data, '*') }" +
    "function importScripts(...urls) { return urls.reduce((before, url) => before.then(() => new Promise((done, failed) => {" +
    " const script = Object.assign(document.createElement('script'), { src: url, onload: done, onerror: failed });" +
    " document.body.append(script) })), Promise.resolve()) }" +
    "</" + "script>";
  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      const frame = Object.assign(document.createElement("iframe"), { hidden: true });
      document.body.append(frame);
      this.frame = frame.contentWindow;
      this.waiting = []; // what is told before the script is there
      window.addEventListener("message", (event) => {
        if (event.source !== this.frame) return;
        const told = new MessageEvent("message", { data: event.data });
        this.dispatchEvent(told);
        if (this.onmessage) this.onmessage(told);
      });
      this.frame.document.write(`${inside}<body><script src="${url}"></` + "script>");
      this.frame.document.close();
      frame.addEventListener("load", () => {
        this.waiting.forEach((data) => this.tell(data));
        this.waiting = null;
      });
    }
    tell(data) {
      this.frame.dispatchEvent(new this.frame.MessageEvent("message", { data }));
    }
    postMessage(data) {
      if (this.waiting) this.waiting.push(data);
      else this.tell(data);
    }
    terminate() {}
  };
}
