"""91_jdk_httpclient: the JDK's client asks for HTTP/2 each time, and its bodies are read."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

from tests.unit.sampling.served import serving

SOURCE: Final = """
import java.net.URI;
import java.net.http.*;

public class Send {
  static HttpClient client = HttpClient.newHttpClient();

  static void send(String uri, String body, String... headers) throws Exception {
    HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(uri))
        .header("Content-Type", "application/json")
        .POST(HttpRequest.BodyPublishers.ofString(body));
    for (int i = 0; i < headers.length; i += 2) request.header(headers[i], headers[i + 1]);
    HttpResponse<String> answer =
        client.send(request.build(), HttpResponse.BodyHandlers.ofString());
    System.out.println(answer.statusCode());
  }

  static void half(String base, String side, String body) throws Exception {
    send(base + "/", body, "ce-specversion", "1.0", "ce-id", "java-2", "ce-source", "me",
        "ce-type", "org.kubeflow.serving.inference." + side,
        "ce-inferenceservicename", "ripeness", "ce-modelversion", "v1");
  }

  public static void main(String[] arguments) throws Exception {
    String base = "http://127.0.0.1:" + arguments[0];
    send(base + "/v1/jobs/ripeness/predictions",
        "{\\"id\\":\\"java-1\\",\\"instances\\":[1],\\"predictions\\":[\\"ripe\\"]}");
    half(base, "request", "{\\"instances\\":[2]}");
    half(base, "response", "{\\"predictions\\":[\\"ripe\\"]}");
  }
}
"""


async def test_91_jdk_httpclient(tmp_path: Path) -> None:
    program = tmp_path / "Send.java"
    program.write_text(SOURCE)
    async with serving(tmp_path) as replica:
        java = await asyncio.create_subprocess_exec(
            "java", str(program), str(replica.port), stdout=asyncio.subprocess.PIPE
        )
        said, _ = await java.communicate()
        rows = await replica.rows()
    assert said.split() == [b"202"] * 3
    assert {row["id"]: row["raw_data"] for row in rows} == {
        "java-1/0": '{"instances":[1]}',
        "java-2/0": '{"instances":[2]}',
    }
