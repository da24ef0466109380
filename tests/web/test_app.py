"""The application: what it offers, and that nothing but the inbox writes."""

from sqlalchemy import Engine

from tests.web.served import served


def test_only_the_inbox_takes_anything_but_get(engine: Engine) -> None:
    with served(engine) as web:
        described = web.ask("GET", "/openapi.json").json["paths"]
        assert {path for path, methods in described.items() if set(methods) - {"get", "head"}} == {"/inbox"}
        assert {web.ask(method, "/inbox").status for method in ("PUT", "DELETE", "OPTIONS")} == {405}


def test_every_answer_of_the_inbox_is_described(engine: Engine) -> None:
    with served(engine) as web:
        responses = web.ask("GET", "/openapi.json").json["paths"]["/inbox"]["post"]["responses"]
    assert {"200", "400", "401", "403", "408", "413", "415", "429", "503"} <= set(responses)


def test_there_is_a_page_an_api_feeds_and_monitoring_but_no_interactive_documentation(engine: Engine) -> None:
    with served(engine) as web:
        paths = ("/", "/api/v1/posts", "/feeds/posts.atom", "/livez", "/readyz", "/metrics", "/inbox")
        assert {path: web.ask("GET", path).status for path in paths} == dict.fromkeys(paths, 200)
        assert {web.ask("GET", path).status for path in ("/docs", "/redoc")} == {404}
