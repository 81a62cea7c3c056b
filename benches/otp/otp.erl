%% Does what the bench tells it on its input, a line at a time, and answers with nanoseconds; ends with its input.
%%
%% Its arguments are the folders of the application's first and second version.
-module(otp).
-export([main/1]).

-define(SERVERS, 128).
-define(CALLS, 100000).
-define(PROCESSES, 100000).
%% How often somebody asks for something while it is upgraded, in nanoseconds.
-define(EVERY, 20000).

main(Folders) ->
    case io:get_line("") of
        eof -> halt();
        Line ->
            Answer = told(string:trim(Line), Folders),
            io:format("~s~n", [lists:join(" ", [integer_to_list(N) || N <- Answer])]),
            main(Folders)
    end.

told("call", [First | _]) ->
    at_first(First),
    Servers = start(?SERVERS),
    Took = took(fun() -> calls(Servers, Servers, ?CALLS) end),
    stop(Servers),
    [Took div ?CALLS];
told("sys", [First, Second]) ->
    at_first(First),
    upgraded(fun(Servers) ->
        [ok = sys:suspend(Server) || Server <- Servers],
        load(Second),
        [ok = sys:change_code(Server, cells, 1, []) || Server <- Servers],
        [ok = sys:resume(Server) || Server <- Servers]
    end);
told("release_handler", [First, Second]) ->
    at_first(First),
    upgraded(fun(_) -> {ok, _} = release_handler:upgrade_app(cells, Second) end).

%% The first version, and nothing left of a second.
at_first(First) ->
    _ = application:stop(cells),
    _ = application:unload(cells),
    code:del_path(cells),
    true = code:add_patha(filename:join(First, "ebin")),
    load(First),
    ok = application:start(cells).

load(Folder) ->
    code:purge(cells),
    {module, cells} = code:load_abs(filename:join([Folder, "ebin", "cells"])).

start(Count) ->
    [begin {ok, Server} = supervisor:start_child(cells_sup, []), Server end || _ <- lists:seq(1, Count)].

stop(_) -> ok = application:stop(cells).

calls(_, _, 0) -> ok;
calls(All, [], Left) -> calls(All, All, Left);
calls(All, [Server | Servers], Left) ->
    _ = gen_server:call(Server, {add, 1}),
    calls(All, Servers, Left - 1).

%% How long it takes, and the longest that one who asks meanwhile waits.
upgraded(Upgrade) ->
    Servers = start(?PROCESSES),
    All = list_to_tuple(Servers),
    Self = self(),
    Asking = spawn_link(fun() -> asking(Self, All, now_in_ns(), 0) end),
    receive asking -> ok end,
    Took = took(fun() -> Upgrade(Servers) end),
    Asking ! stop,
    Worst = receive {worst, Wait} -> Wait end,
    [2 = gen_server:call(Server, version) || Server <- Servers],
    stop(Servers),
    [Took, Worst].

%% A wait counts from when the request was due, sent or not.
asking(To, All, Due, Worst) ->
    _ = Worst =:= 0 andalso (To ! asking),
    receive
        stop -> To ! {worst, Worst}
    after 0 ->
        until(Due),
        _ = gen_server:call(element(rand:uniform(tuple_size(All)), All), {add, 1}, infinity),
        asking(To, All, Due + ?EVERY, max(Worst, now_in_ns() - Due))
    end.

until(Due) ->
    case now_in_ns() < Due of
        true -> until(Due);
        false -> ok
    end.

took(Work) ->
    Start = now_in_ns(),
    Work(),
    now_in_ns() - Start.

now_in_ns() -> erlang:monotonic_time(nanosecond).
